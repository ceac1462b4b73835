"""Members that tell of a survivor are known by their names, however these are written."""

import pytest

from etl.stages.extract import inspect_file
from etl.stages.records import Layout
from etl.stages.survivors import find_survivor_members, tells_of_survivor, without_survivors

TELLING = (
    "victim", "victimName", "VICTIM_NAME", "victimname", "Victims", "ex-victims", "VICTIMname", "victim.name", "vîctim",
    "ｖｉｃｔｉｍ",
    "vic\u200btim", "Survivor ID", "survivors", "patients", "PatientName", "patients_per_month", "out_patient_name",
    "inpatientId", "perpetrator", "suspectName", "id_number", "idNumber", "IDNumber", "ID No.", "idno", "national_id",
    "NationalIDs", "national identity card", "dob", "D.O.B.", "date_of_birth", "DateOfBirth", "clientDateOfBirth", "birth-date",
    "incident", "incident-date", "incidents", "case_number", "caseNumbers", "Case No", "OB number", "Mwathiriwa",
    "hq.survivor_name", "facility_id_number",
)  # fmt: skip
HARMLESS = (
    "name", "facility_name", "outpatient", "Inpatient", "Out-Patient", "out patients", "inpatient_beds", "impatient",
    "outpatient_phone", "coincident", "incidental_costs", "incidence", "id", "facility_id", "mfl_code", "gridNumber",
    "covid_number", "paid_number", "internationalIdentifier", "registration_number", "contacts", "case", "national_hospital",
    "birth_attendants", "hiv_testing", "survey", "gender_desk", "post_rape_care", "casualty", "",
)  # fmt: skip


@pytest.mark.parametrize("name", TELLING)
def test_a_name_that_tells_of_a_survivor(name):
    assert tells_of_survivor(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_is_a_facilitys(name):
    assert not tells_of_survivor(name)


@pytest.mark.parametrize(
    "payload",
    [
        {"victim": None},
        {"name": "Amani", "services": [{"notes": [[{"caseNumber": 7}]]}]},
        [{"patients": []}],
        {"contacts": {"survivor": "0722 000 001"}},
        {"contacts": [{"type": "victim", "value": "0722 000 001"}]},
        {"details": [{"field": "Survivor's name", "value": "Jane"}]},
    ],
)
def test_it_is_found_at_any_depth_whatever_it_holds(payload):
    assert find_survivor_members(payload, {})


def test_it_is_found_among_what_a_record_inherits_and_in_the_list_that_it_stands_in():
    assert find_survivor_members({}, {"county": "Kwale", "incident_date": ""}) == ("incident_date",)
    assert find_survivor_members({}, {"sub_county": "Victims"}, "/stations/COAST/Victims/0") == ("Victims",)
    assert find_survivor_members({}, {}, "/services_by_category/Survivor support/0") == ()


@pytest.mark.parametrize("label", ["hotline", "Victim support line", "Outpatient", "phone"])
def test_a_label_of_a_facilitys_contact_is_none(label):
    assert find_survivor_members({"contacts": [{"type": label, "value": "1195"}]}, {}) == ()
    assert find_survivor_members({"type": "Survivors", "services": ["Victim support"]}, {}) == ()


def test_a_message_repeats_no_word_that_may_be_somebodys_name():
    assert find_survivor_members({"victimName": 1}, {}) == ("victimName",)
    assert find_survivor_members({"Victim Jane Wanjiru": 1}, {}) == ("victim …",)
    assert find_survivor_members({"survivorjane": 1}, {}) == ("survivor…",)
    (shown,) = find_survivor_members({"victim " * 5000: 1}, {})
    assert len(shown) <= 60


def test_what_is_left_without_them_is_the_facilitys():
    payload = {"name": "Amani", "victim": {"name": "Jane"}, "contacts": [{"value": "1195", "survivorId": 3}]}
    assert without_survivors(payload) == {"name": "Amani", "contacts": [{"value": "1195"}]}


def test_a_profile_knows_nothing_of_such_records(tmp_path):
    path = tmp_path / "raw.json"
    path.write_text('[{"name": "Amani"}, {"name": "Baraka", "victims": {"Jane Wanjiru": {"age": 14}}}]')
    sound = inspect_file(path, source="any", layout=Layout(("[]",), ("name",)), max_bytes=1000)
    assert [(found.path, found.records) for found in sound.profile] == [("", 1), ("name", 1)]
