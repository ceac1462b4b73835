"""Contacts, addresses and confidential positions at rest: sealed, found by blind index, never lost."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.db import connection

from core.crypto import CANNOT_BE_READ
from facilities.models import ContactType, Facility, FacilityContact, FacilityCoordinate
from geography.models import County
from tests.world import MANIFEST, facility_at, provider, registry, row_versions, run_import, write_providers

pytestmark = pytest.mark.django_db
SHELTER = {
    "facility_name": "Amani Safe House",
    "service_type": "Shelter",
    "latitude": "-1.2921",
    "longitude": "36.8219",
}


def a_contact(value: str = "+254722000001") -> FacilityContact:
    facility = Facility.objects.create(
        facility_code="GVRC-TEST-1",
        facility_name="Amani Clinic",
        county=County.objects.get(county_code="047"),
        address="Kenyatta Avenue 1",
    )
    return FacilityContact.objects.create(
        facility=facility, contact_type=ContactType.objects.get(code="phone"), contact_value=value
    )


def stored(table: str, column: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        return cursor.fetchone()[0]


def store(table: str, column: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s", [value])


def test_a_contact_is_stored_as_a_token_and_read_as_it_was() -> None:
    a_contact("+254722000001")
    assert "722000001" not in stored("facility_contacts", "contact_value")
    assert FacilityContact.objects.get().contact_value == "+254722000001"


def test_a_contact_is_found_by_its_blind_index() -> None:
    contact = a_contact("+254722000001")
    assert FacilityContact.objects.get(value_index=FacilityContact.index_of("+254722000001")) == contact
    assert not FacilityContact.objects.filter(value_index=FacilityContact.index_of("+254722000002")).exists()


def test_searching_in_a_sealed_column_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises((FieldError, NotImplementedError, TypeError)):
        list(FacilityContact.objects.filter(contact_value="+254722000001"))


def test_the_same_value_has_another_token_each_time() -> None:
    a_contact("+254722000001")
    first = stored("facility_contacts", "contact_value")
    Facility.objects.all().delete()
    a_contact("+254722000001")
    assert stored("facility_contacts", "contact_value") != first


def test_a_save_that_changes_nothing_keeps_the_tokens() -> None:
    a_contact()
    tokens = stored("facility_contacts", "contact_value"), stored("facilities", "address")
    FacilityContact.objects.get().save()
    Facility.objects.get().save()
    assert (stored("facility_contacts", "contact_value"), stored("facilities", "address")) == tokens


def test_a_value_that_no_key_opens_says_so_and_is_kept_by_a_save() -> None:
    contact = a_contact()
    index = contact.value_index
    store("facility_contacts", "contact_value", "gAAAAA-not-of-our-keys")
    unreadable = FacilityContact.objects.get()
    assert (unreadable.contact_value, unreadable.contact_value.is_readable) == (CANNOT_BE_READ, False)
    unreadable.is_primary = True
    unreadable.save()
    assert stored("facility_contacts", "contact_value") == "gAAAAA-not-of-our-keys"
    assert FacilityContact.objects.get().value_index == index


def test_a_key_that_was_lost_destroys_nothing(settings: Any) -> None:
    a_contact("+254722000001")
    right = settings.FIELD_KEYS
    settings.FIELD_KEYS = "another key that is long enough but did not seal it"
    assert FacilityContact.objects.get().contact_value == CANNOT_BE_READ
    FacilityContact.objects.get().save()
    settings.FIELD_KEYS = right
    assert FacilityContact.objects.get().contact_value == "+254722000001"


def test_a_new_key_in_front_still_reads_what_the_old_one_sealed(settings: Any) -> None:
    a_contact("+254722000001")
    settings.FIELD_KEYS = f"a newer key that is also long enough to pass,{settings.FIELD_KEYS}"
    assert FacilityContact.objects.get().contact_value == "+254722000001"


def test_a_token_moved_to_another_column_cannot_be_read_there() -> None:
    a_contact()
    store("facilities", "address", stored("facility_contacts", "contact_value"))
    assert Facility.objects.get().address == CANNOT_BE_READ


def test_a_value_copied_between_columns_is_sealed_anew() -> None:
    a_contact("+254722000001")
    facility = Facility.objects.get()
    facility.address = FacilityContact.objects.get().contact_value
    facility.save()
    assert Facility.objects.get().address == "+254722000001"


def test_a_confidential_position_is_sealed_and_its_columns_are_null(imported: dict[str, Any]) -> None:
    positions = FacilityCoordinate.objects.filter(facility__is_confidential=True)
    assert positions
    assert {(p.latitude, p.longitude) for p in positions} == {(None, None)}
    # other_services /4, the Tumaini shelter
    assert positions.get(facility=facility_at("other_services:/4")).sealed_position.startswith("-0.3031")


def test_an_open_position_is_never_sealed(imported: dict[str, Any]) -> None:
    assert not FacilityCoordinate.objects.filter(facility__is_confidential=False, latitude=None).exists()


def test_no_confidential_position_stands_open_in_any_table(imported: dict[str, Any]) -> None:
    shown = str(imported["findings"]) + str(imported["warnings"])
    for place in MANIFEST["confidential"]:
        assert facility_at(place).details.facility_name not in shown


def test_an_import_never_lowers_confidentiality(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(0, latitude="-1.2921", longitude="36.8219")])
    run_import(tmp_path, "other_services")
    person_marks_it_confidential = Facility.objects.get()
    person_marks_it_confidential.is_confidential = True
    person_marks_it_confidential.save()
    write_providers(tmp_path, [provider(0, latitude="-1.2922", longitude="36.8219", contact="0733 000 001")])
    totals = run_import(tmp_path, "other_services")["totals"]
    position = FacilityCoordinate.objects.get()
    assert totals["updated"] == 1
    assert Facility.objects.get().is_confidential
    assert (position.latitude, position.longitude) == (None, None)
    assert [Decimal(part) for part in position.sealed_position.split(",")] == [Decimal("-1.2922"), Decimal("36.8219")]


def test_a_shelter_that_calls_itself_something_else_next_month_stays_confidential(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(0, **SHELTER)])
    run_import(tmp_path, "other_services")
    write_providers(tmp_path, [provider(0, **SHELTER | {"service_type": "Legal aid"})])
    run_import(tmp_path, "other_services")
    (state,) = registry().values()
    assert state["is_confidential"]
    assert state["position"][:2] == (None, None)


def test_a_sealed_position_is_not_written_again(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(0, **SHELTER)])
    run_import(tmp_path, "other_services")
    rows = row_versions()["facility_coordinates"]
    write_providers(tmp_path, [provider(0, **SHELTER, contact="0733 000 001")])
    assert run_import(tmp_path, "other_services")["totals"]["updated"] == 1
    assert row_versions()["facility_coordinates"] == rows


def test_an_unreadable_sealed_position_does_not_stop_an_import(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(0, **SHELTER), provider(1)])
    run_import(tmp_path, "other_services")
    store("facility_coordinates", "sealed_position", "gAAAAA-not-of-our-keys")
    write_providers(tmp_path, [provider(0, **SHELTER | {"contact": "0733 000 001"}), provider(1)])
    assert run_import(tmp_path, "other_services")["status"] == "succeeded"
