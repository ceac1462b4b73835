"""The audit trail's list: what was changed, in words, as far as anybody who reads the registry may know it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.audit import acting
from core.models import AuditEntry, User
from facilities.models import Facility, FacilityContact
from geography.models import PlaceAlias
from tests.site import person, visitor

pytestmark = pytest.mark.django_db
LIST = "/admin/core/auditentry/"


def text_of(address: str, role: str = "viewer") -> str:
    return visitor(role).get(address).content.decode()


def test_changes_are_told_before_and_after_with_who_and_a_link_and_masked(imported: dict[str, Any]) -> None:
    contact = FacilityContact.objects.filter(facility__is_confidential=False, contact_type__code="phone")[0]
    old, facility = str(contact.contact_value), contact.facility
    with acting(person("data_engineer").pk, "request:1"):
        contact.contact_value = "+254722555123"
        contact.save()
        Facility.objects.filter(pk=facility.pk).update(town="Kinoo", address="Plot 9 Acacia Lane")
        PlaceAlias.objects.create(level="county", alias="Quonset", target_code="047", kind="spelling")
    shown = text_of(f"{LIST}?q=request:1")
    assert f"/admin/facilities/facility/{facility.pk}/change/" in shown
    assert "Town: " in shown
    assert "Kinoo" in shown
    assert "Alias: Quonset" in shown
    assert "edited in admin" in shown
    assert "a-data_engineer" in shown
    assert "+254722555123" not in shown
    assert old not in shown
    assert "Acacia" not in shown
    one = AuditEntry.objects.filter(session_id="request:1", table_name="facilities").get()
    assert "Kinoo" in text_of(f"{LIST}{one.pk}/change/")

    assert "Kinoo" in text_of(f"{LIST}?operation__exact=UPDATE&table=facilities&q=request:1")
    assert "Quonset" not in text_of(f"{LIST}?table=facilities&q=request:1")
    who = {name: User.objects.get(username=name).pk for name in ("a-data_engineer", "import")}
    assert "Kinoo" in text_of(f"{LIST}?changed_by__user_id__exact={who['a-data_engineer']}&q=request:1")
    assert "Kinoo" not in text_of(f"{LIST}?changed_by__user_id__exact={who['import']}&q=request:1")

    place = Facility.objects.filter(is_confidential=True, contacts__isnull=False, coordinate__isnull=False)[0]
    details = place.details
    entries = AuditEntry.objects.filter(new_values__facility_id=place.pk)
    pages = [f"{LIST}{entry.pk}/change/" for entry in entries]
    assert len(pages) >= 3
    for page in pages:
        told = text_of(page)
        assert details.facility_name not in told
        assert not any(str(c.contact_value) in told for c in place.contacts.all())
        assert str(place.coordinate.degrees[0]) not in told


def test_a_page_of_fifty_takes_no_more_queries_than_a_page_of_one(imported: dict[str, Any]) -> None:
    browser = visitor("viewer")
    browser.get(LIST)
    facility = Facility.objects.filter(is_confidential=False)[0]
    with CaptureQueriesContext(connection) as few:
        browser.get(f"{LIST}?table=facilities&q={facility.pk}")
    with CaptureQueriesContext(connection) as many:
        shown = browser.get(f"{LIST}?table=facilities").content.decode()
    assert shown.count("Facility added") > 40
    assert len(many) <= len(few) + 3, "one for each table that a column points to"


def test_of_people_only_what_was_changed_is_told(db: None) -> None:
    with acting(None, "request:2"):
        User.objects.create(username="wanjiru", email="wanjiru@example.or.ke")
        User.objects.filter(username="wanjiru").update(email="w@example.or.ke", first_name="Wanjiru")
    shown = text_of(f"{LIST}?q=request:2")
    assert "User added" in shown
    assert "email address: changed" in shown.lower()
    assert "example.or.ke" not in shown
    assert "Wanjiru" not in shown
