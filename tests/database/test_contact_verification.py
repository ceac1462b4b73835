"""Somebody reached a place by a contact: who, when, how; imports, merges, splits and undo keep it, another value loses it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from core.models import AccessLog, AuditEntry
from core.roles import SAFEGUARDING
from core.state import state_hash
from etl.decisions import MergeOrder, merge, split
from etl.models import SourceRecord
from etl.undo import undo_import
from facilities.models import Facility, FacilityContact
from facilities.verifying import seen, verify
from tests.database.test_pins import edit
from tests.site import person, visitor
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.django_db
VERIFY = "/admin/facilities/facility/contacts/verify/"
LONG_AGO = timezone.now() - timedelta(days=400)


def deliver(folder: Path, *numbers: int, **fields: Any) -> dict[str, Any]:
    write_providers(folder, [provider(number, **fields) for number in numbers])
    return run_import(folder, "other_services", allow_shrink=True)


@pytest.fixture
def contact(db: None, tmp_path: Path) -> FacilityContact:
    deliver(tmp_path, 0)
    return FacilityContact.objects.get()


def said(contact: FacilityContact) -> tuple[str | None, str | None]:
    row = FacilityContact.objects.get(pk=contact.pk)
    return str(row.verified_by) if row.verified_by else None, row.verification_method


NOTHING = (None, None)


def test_who_edits_marks_a_contact_as_verified_and_the_audit_trail_knows(contact: FacilityContact) -> None:
    answer = visitor("data_engineer").post(VERIFY, {"verify": f"{seen(contact)}:called"})
    assert answer.status_code == 302
    assert said(contact) == ("a-data_engineer", "called")
    entry = AuditEntry.objects.filter(table_name="facility_contacts", operation="UPDATE").get()
    assert (str(entry.changed_by), entry.new_values["verification_method"]) == ("a-data_engineer", "called")


@pytest.mark.parametrize("named", ["", "x", "1-" + "\0" * 16, "9" * 30 + "-" + "a" * 16])
def test_what_no_button_sends_marks_nothing(named: str, contact: FacilityContact) -> None:
    assert visitor("data_engineer").post(VERIFY, {"verify": f"{named}:called"}).status_code == 302
    assert said(contact) == NOTHING


@pytest.mark.parametrize("role", ["viewer", "data_analyst", SAFEGUARDING])
def test_nobody_else_does(role: str, contact: FacilityContact) -> None:
    assert visitor(role).post(VERIFY, {"verify": f"{seen(contact)}:called"}).status_code == 403
    assert said(contact) == NOTHING


@pytest.mark.parametrize("sent", ["", "x", "{seen}:guessed", "{pk}-0123456789abcdef:called", "99-:called"])
def test_what_was_not_on_the_page_marks_nothing(sent: str, contact: FacilityContact) -> None:
    filled = sent.replace("{seen}", seen(contact)).replace("{pk}", str(contact.pk))
    assert visitor("admin").post(VERIFY, {"verify": filled}).status_code == 302
    assert said(contact) == NOTHING


def test_the_way_back_leads_to_no_other_site(contact: FacilityContact) -> None:
    sent = {"verify": f"{seen(contact)}:called", "back": "https://evil.example/"}
    assert visitor("admin").post(VERIFY, sent)["Location"].endswith("/stale-contacts/")


def test_all_three_are_set_or_none(contact: FacilityContact) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        FacilityContact.objects.update(verified_at=timezone.now())


def test_the_contacts_tab_says_when_by_whom_and_how(contact: FacilityContact) -> None:
    page = f"/admin/facilities/facility/{contact.facility_id}/change/"
    assert seen(contact) in visitor("admin").get(page).content.decode()
    verify(contact, "visited", user=person("admin"))
    history = visitor("viewer").get(page.replace("change", "history")).content.decode()
    assert "visited" in history
    shown = visitor("viewer").get(page).content.decode()
    assert "by a-admin (visited)" in shown
    assert seen(contact) not in shown


def test_an_import_that_finds_the_contact_again_keeps_it_and_writes_nothing(
    contact: FacilityContact, tmp_path: Path
) -> None:
    before = state_hash()
    verify(contact, "called", user=person("admin"))
    assert state_hash() == before, "two registries that say the same have the same"
    entries = AuditEntry.objects.count()
    assert deliver(tmp_path, 0)["totals"]["unchanged"] == 1
    assert AuditEntry.objects.count() == entries
    assert deliver(tmp_path, 0, service_type="Legal aid")["totals"]["updated"] == 1
    assert said(contact) == ("a-admin", "called")


def test_another_value_loses_it_in_the_form_and_a_save_of_the_same_keeps_it(
    admin_client: Client, contact: FacilityContact
) -> None:
    verify(contact, "called", user=person("admin"))
    edit(admin_client, contact.facility, town="Nyali")
    assert said(contact) == ("a-admin", "called")
    edit(admin_client, contact.facility, **{"contacts-0-contact_value": "0711 222 333"})
    assert said(contact) == NOTHING


def test_whoever_saves_another_value_loses_it(contact: FacilityContact) -> None:
    verify(contact, "called", user=person("admin"))
    row = FacilityContact.objects.get()
    row.contact_value = "+254711222333"
    row.save(update_fields=["contact_value"])
    assert said(contact) == NOTHING
    assert FacilityContact.objects.get().value_index == FacilityContact.index_of("+254711222333")


@pytest.fixture
def two(db: None, tmp_path: Path) -> list[Facility]:
    """Return two places that list a number each, and one that both have."""
    numbers = {0: "0722 000 111", 4: "0722 000 444"}
    write_providers(tmp_path, [provider(n, contact=f"{own} / 0711 222 333") for n, own in numbers.items()])
    run_import(tmp_path, "other_services")
    return list(Facility.objects.order_by("facility_name"))


def verified_of(facility: Facility) -> dict[str, str | None]:
    return {str(c.contact_value): c.verification_method for c in FacilityContact.objects.filter(facility=facility)}


def test_a_merge_takes_a_verification_along_and_a_split_brings_it_back(two: list[Facility]) -> None:
    stays, goes = two
    for row in goes.contacts.all():
        verify(row, "called", user=person("admin"))
    both = stays.contacts.get(value_index=FacilityContact.index_of("+254711222333"))
    verify(both, "visited", user=person("admin"), now=LONG_AGO)
    before = verified_of(stays), verified_of(goes)
    merge(MergeOrder((stays.facility_code, goes.facility_code), keep=stays.facility_code), user=person("superuser"))
    merged = verified_of(stays)
    assert set(before[1]) <= set(merged)
    assert {value: merged[value] for value in before[1]} == before[1], "the newer one counts"
    split(goes.facility_code, user=person("superuser"))
    assert (verified_of(stays), verified_of(goes)) == before


def test_records_that_are_split_off_take_the_verification_of_their_contacts_along(two: list[Facility]) -> None:
    stays, goes = two
    record = SourceRecord.objects.get(facility=goes)
    SourceRecord.objects.filter(facility=goes).update(facility=stays)
    stays.contacts.all().delete()
    goes.contacts.update(facility=stays)
    for row in stays.contacts.all():
        verify(row, "called", user=person("admin"))
    made = split(stays.facility_code, [record.pk], user=person("superuser")).restored[0]
    new = verified_of(Facility.objects.get(facility_code=made))
    assert new == {"+254722000444": "called", "+254711222333": None}, "what both list stays with the first"
    assert verified_of(stays) == {"+254722000111": None, "+254711222333": "called"}


def test_an_undo_brings_back_what_was(contact: FacilityContact, tmp_path: Path) -> None:
    verify(contact, "called", user=person("admin"))
    run = deliver(tmp_path, 0, contact="0733 000 222")["run"]
    assert set(verified_of(contact.facility)) == {"+254733000222"}
    undo_import(run, user=person("superuser"))
    assert set(verified_of(contact.facility).values()) == {"called"}


def test_a_verification_since_keeps_a_facility_from_an_undo(contact: FacilityContact, tmp_path: Path) -> None:
    run = deliver(tmp_path, 0, service_type="Legal aid")["run"]
    verify(contact, "called", user=person("admin"))
    undone = undo_import(run, user=person("superuser"))
    assert list(undone.kept) == [contact.facility.facility_code]
    assert said(contact) == ("a-admin", "called")


def test_the_contact_of_a_confidential_place_is_verified_on_its_protected_page_only(contact: FacilityContact) -> None:
    facility = contact.facility
    facility.is_confidential = True
    facility.save()
    visitor("admin").post(VERIFY, {"verify": f"{seen(contact)}:called"})
    assert said(contact) == NOTHING
    page = f"/admin/facilities/facility/{facility.pk}/protected/"
    sent = {"do": "verify", "what": f"contact:{contact.pk}", "method": "called"}
    assert visitor("admin").post(page, sent).status_code == 403
    answer = visitor(SAFEGUARDING).post(page, sent)
    assert said(contact) == (f"a-{SAFEGUARDING}", "called")
    assert "by a-safeguarding_lead (called)" in answer.content.decode()
    assert str(contact.contact_value) not in answer.content.decode()
    assert AccessLog.objects.filter(action="edit", resource__endswith="verified").count() == 1
    for wrong in ({"what": "contact:0"}, {"method": "guessed"}):
        assert visitor(SAFEGUARDING).post(page, sent | wrong).status_code == 400
