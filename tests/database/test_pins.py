"""What a person sets in admin is pinned: imports keep it and say so, until the pin is taken off."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from etl.models import ImportRun, SourceRecord
from facilities.models import Facility, FacilityContact, Pin
from tests.world import provider, run_import, write_providers


@pytest.fixture
def facility(db: None, tmp_path: Path) -> Facility:
    deliver(tmp_path)
    return Facility.objects.get()


def deliver(folder: Path, **fields: Any) -> dict[str, Any]:
    """Import one provider as its source lists it today."""
    contacts = "0722 000 111 / 0733 000 222"
    write_providers(folder, [provider(0, contact=contacts, latitude="-1.2921", longitude="36.8219") | fields])
    return run_import(folder, "other_services")


def edit(client: Client, facility: Facility, **changes: Any) -> None:
    """Save the facility's page in admin with these form fields changed."""
    page = client.get(f"/admin/facilities/facility/{facility.pk}/change/")
    form = page.context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    for formset in (inline.formset for inline in page.context["inline_admin_formsets"]):
        for bound in (formset.management_form, *formset.forms):
            fields |= {bound.add_prefix(name): bound[name].value() for name in bound.fields}
    data = {name: value for name, value in (fields | changes).items() if value is not None and value is not False}
    answer = client.post(f"/admin/facilities/facility/{facility.pk}/change/", data)
    assert answer.status_code == 302, answer.context["errors"]


def numbers() -> set[str]:
    return {str(contact.contact_value) for contact in FacilityContact.objects.all()}


def findings() -> list[str]:
    version = SourceRecord.objects.get().latest_version
    assert version is not None
    return [finding["rule"] for finding in version.findings]


def test_a_name_that_a_person_set_is_kept_and_said_so(admin_client: Client, facility: Facility, tmp_path: Path) -> None:
    edit(admin_client, facility, facility_name="Amani House", opening_hours="24 hours")
    deliver(tmp_path, service_type="Legal aid")
    facility.refresh_from_db()
    assert (facility.facility_name, facility.opening_hours) == ("Amani House", "24 hours")
    assert "pin-kept" in findings()
    assert ImportRun.objects.first().summary["pins_kept"] == 1
    assert set(Pin.objects.values_list("target", flat=True)) == {"facility_name", "opening_hours"}


def test_what_was_not_edited_is_still_the_sources(admin_client: Client, facility: Facility, tmp_path: Path) -> None:
    edit(admin_client, facility, facility_name="Amani House")
    deliver(tmp_path, service_type="Legal aid")
    assert [str(service) for service in facility.services.all()] == ["Legal aid"]


def test_a_contact_that_a_person_took_away_stays_away(admin_client: Client, facility: Facility, tmp_path: Path) -> None:
    edit(admin_client, facility, **{"contacts-1-DELETE": "on"})
    left = numbers()
    assert len(left) == 1
    deliver(tmp_path, service_type="Legal aid")
    assert numbers() == left


def test_a_contact_that_a_person_added_stays(admin_client: Client, facility: Facility, tmp_path: Path) -> None:
    kind = FacilityContact.objects.all()[0].contact_type_id
    edit(admin_client, facility, **{
        "contacts-TOTAL_FORMS": 3, "contacts-2-contact_type": kind, "contacts-2-contact_value": "0711 222 333",
    })  # fmt: skip
    deliver(tmp_path, service_type="Legal aid")
    assert "+254711222333" in numbers()
    assert len(numbers()) == 3


def test_a_number_that_a_person_corrected_does_not_come_back(
    admin_client: Client, facility: Facility, tmp_path: Path
) -> None:
    wrong = str(FacilityContact.objects.get(is_primary=True).contact_value)
    page = admin_client.get(f"/admin/facilities/facility/{facility.pk}/change/")
    forms = next(f.formset for f in page.context["inline_admin_formsets"] if f.formset.prefix == "contacts").forms
    position = next(n for n, form in enumerate(forms) if form.instance.is_primary)
    edit(admin_client, facility, **{f"contacts-{position}-contact_value": "0711 222 333"})
    deliver(tmp_path, service_type="Legal aid")
    assert wrong not in numbers()
    assert "+254711222333" in numbers()
    assert FacilityContact.objects.filter(is_primary=True).count() == 1


def test_a_service_that_a_person_took_away_stays_away(admin_client: Client, facility: Facility, tmp_path: Path) -> None:
    before = set(facility.services.values_list("service_category__code", flat=True))
    edit(admin_client, facility, **{"services-0-DELETE": "on"})
    (gone,) = before - set(facility.services.values_list("service_category__code", flat=True))
    deliver(tmp_path, service_type="Psychosocial support; Legal aid; PRC")
    after = set(facility.services.values_list("service_category__code", flat=True))
    assert gone not in after
    assert len(after) == 2


def test_a_position_that_a_person_took_away_stays_away(
    admin_client: Client, facility: Facility, tmp_path: Path
) -> None:
    edit(admin_client, facility, **{"coordinate-0-DELETE": "on"})
    deliver(tmp_path, latitude="-1.3", longitude="36.9")
    facility = Facility.objects.with_details().get()
    assert not hasattr(facility, "coordinate")


def test_a_facility_that_a_person_took_out_of_service_stays_out(
    admin_client: Client, facility: Facility, tmp_path: Path
) -> None:
    edit(admin_client, facility, is_active=None)
    deliver(tmp_path, service_type="Legal aid")
    facility.refresh_from_db()
    assert not facility.is_active


def test_a_pin_that_is_taken_off_lets_the_source_speak_again(
    admin_client: Client, facility: Facility, tmp_path: Path
) -> None:
    was = facility.facility_name
    edit(admin_client, facility, facility_name="Amani House")
    deliver(tmp_path)
    facility.refresh_from_db()
    assert facility.facility_name == "Amani House"
    edit(admin_client, facility, **{"pins-0-DELETE": "on"})
    assert deliver(tmp_path)["totals"]["updated"] == 1
    facility.refresh_from_db()
    assert facility.facility_name == was
    assert deliver(tmp_path)["totals"]["unchanged"] == 1


def test_a_save_that_changes_nothing_pins_nothing(admin_client: Client, facility: Facility) -> None:
    edit(admin_client, facility)
    assert not Pin.objects.exists()
