"""What the first reviews found, kept from coming back."""

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from core.models import User
from etl.errors import WrongKeyError
from etl.models import DuplicatePair, SourceRecordVersion
from etl.pipeline import ImportOptions, import_facilities
from facilities.models import ContactType, Facility, FacilityContact
from geography.models import County


def write(folder: Path, *records: dict) -> ImportOptions:
    (folder / "regional.json").write_text(json.dumps(list(records)))
    return ImportOptions(data_dir=folder, sources=("regional",))


def place(name: str, code: int, county: str = "Nairobi", **more: object) -> dict:
    return {"name": name, "mfl_code": code, "county": county, **more}


def test_one_national_code_in_two_counties_founds_two_facilities_and_goes_to_review(db, tmp_path):
    summary = import_facilities(write(tmp_path, place("Neema Hospital", 7), place("Neema Hospital", 7, "Mombasa")))
    assert summary["totals"]["created"] == 2
    assert {f.county.county_name for f in Facility.objects.all()} == {"Nairobi", "Mombasa"}
    assert DuplicatePair.objects.get().decision == "to_review"


def test_a_contributor_that_moves_county_beside_one_that_changes_is_loaded_once(db, tmp_path):
    first = place("Neema Hospital", 7, contacts={"phone": "0712 000 001"})
    import_facilities(write(tmp_path, first, first | {"registration_number": "KM/2"}))
    moved = first | {"county": "Mombasa", "registration_number": "KM/2"}
    summary = import_facilities(write(tmp_path, first | {"contacts": {"phone": "0712 000 002"}}, moved))
    assert summary["status"] == "succeeded"
    assert Facility.objects.count() == 1


def test_two_names_under_one_national_code_are_two_facilities_for_a_person_to_judge(db, tmp_path):
    import_facilities(write(tmp_path, place("Alpha Mission Hospital", 7), place("Zulu County Hospital", 7)))
    assert Facility.objects.count() == 2
    assert "one national facility code" in DuplicatePair.objects.get().reason


def test_the_order_of_two_records_of_one_code_changes_no_facility_code(db, tmp_path):
    records = [place("Kenyatta Hospital", 222), place("Kenyatta National Hospital", 222)]
    codes = []
    for order in (records, records[::-1]):
        summary = import_facilities(write(tmp_path, *order))
        assert summary["totals"]["read"] == 2
        codes.append(sorted(Facility.objects.values_list("facility_code", flat=True)))
    assert codes[0] == codes[1]


def test_swapped_registration_numbers_are_swapped(db, tmp_path):
    import_facilities(write(tmp_path, place("Amani Clinic", 1, registration_number="KM1"),
                            place("Baraka Dispensary", 2, registration_number="KM2")))  # fmt: skip
    import_facilities(write(tmp_path, place("Amani Clinic", 1, registration_number="KM2"),
                            place("Baraka Dispensary", 2, registration_number="KM1")))  # fmt: skip
    numbers = dict(Facility.objects.values_list("facility_name", "registration_number"))
    assert numbers == {"Amani Clinic": "KM2", "Baraka Dispensary": "KM1"}


def test_a_facility_that_a_person_took_out_of_service_stays_out(db, tmp_path):
    import_facilities(write(tmp_path, place("Amani Clinic", 1)))
    Facility.objects.update(is_active=False)
    import_facilities(write(tmp_path, place("Amani Clinic", 1, level="Level 2")))
    assert not Facility.objects.get().is_active


def test_findings_about_a_confidential_place_show_none_of_its_words(db, tmp_path):
    shelter = place("Tumaini Rescue Centre", 1, location={"ward": "Secret Lane 9"}, services=["Secret Lane 10"])
    import_facilities(write(tmp_path, shelter, place("Siri House", 2, confidential="hidden", status="Secret Lane 11")))
    assert Facility.objects.filter(is_confidential=True).count() == 2
    assert "Secret" not in json.dumps(list(SourceRecordVersion.objects.values_list("findings", flat=True)))


def test_a_version_that_no_key_opens_stops_the_import_in_one_line_and_changes_nothing(db, tmp_path):
    import_facilities(write(tmp_path, place("Amani Clinic", 1), place("Baraka Dispensary", 2)))
    damaged = SourceRecordVersion.objects.get(source_record__key="id:2")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE source_record_versions SET standardised = 'gAAAAdamaged' WHERE version_id = %s", [damaged.pk]
        )
    changed = write(tmp_path, place("Amani Clinic", 1, level="Level 2"), place("Baraka Dispensary", 2))
    with pytest.raises(WrongKeyError, match=f"version {damaged.pk} of regional · {damaged.source_record_id}"):
        import_facilities(changed)
    assert set(Facility.objects.values_list("level", flat=True)) == {""}


def test_a_source_of_which_every_record_is_rejected_does_not_succeed(db, tmp_path):
    summary = import_facilities(write(tmp_path, *(place(f"Clinic {n}", n, "Nowhere") for n in range(10))))
    assert summary["status"] == "failed"
    assert "all of its 10 records were rejected" in summary["sources"]["regional"]["error"]


def test_an_admin_adds_a_facility_with_a_contact_as_imports_write_it(db, client: Client):
    client.force_login(User.objects.create_superuser("ann", password="a long password"))
    phone = ContactType.objects.get(code="phone")
    county = County.objects.get(county_code="047")
    form = {"facility_name": "Amani Clinic", "county": county.pk, "is_active": "on", "has_gender_desk": "unknown",
            "contacts-0-contact_type": phone.pk, "contacts-0-contact_value": "0712 000 001"}  # fmt: skip
    for prefix, total in (("contacts", 1), ("services", 0), ("coordinate", 0), ("source_records", 0), ("pins", 0)):
        form |= {f"{prefix}-TOTAL_FORMS": total, f"{prefix}-INITIAL_FORMS": 0}
    assert client.post("/admin/facilities/facility/add/", form).status_code == 302
    facility = Facility.objects.get()
    assert facility.facility_code.startswith("GVRC-")
    assert FacilityContact.objects.get().contact_value == "+254712000001"
    form |= {"contacts-0-contact_value": "12345", "facility_name": "Baraka Clinic"}
    assert b"no Kenyan phone number" in client.post("/admin/facilities/facility/add/", form).content


def test_saving_a_facility_unchanged_keeps_the_token_of_its_address(db, client: Client, tmp_path):
    import_facilities(write(tmp_path, place("Amani Clinic", 1, address="Moi Avenue")))
    client.force_login(User.objects.create_superuser("ann", password="a long password"))
    facility = Facility.objects.get()
    token = facility.address.token
    form = {"facility_name": facility.facility_name, "county": facility.county_id, "is_active": "on",
            "facility_type": "clinic", "address": "Moi Avenue", "has_gender_desk": "unknown"}  # fmt: skip
    for prefix in ("contacts", "services", "coordinate", "source_records", "pins"):
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    assert client.post(f"/admin/facilities/facility/{facility.pk}/change/", form).status_code == 302
    assert Facility.objects.get().address.token == token
