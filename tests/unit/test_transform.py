"""A staged facility becomes a canonical record, and nothing is invented on the way."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.stages.canonical import from_canonical, to_canonical
from etl.stages.identity import natural_key
from etl.stages.records import Contact, Position, Severity, StagedContact, StagedFacility
from etl.stages.rules import find_rule_breaks
from etl.stages.transform import Transformed, standardise
from etl.stages.validate import find_schema_errors
from tests.unit.reference_data import reference_with


@pytest.fixture(scope="module")
def reference(gazetteer):
    return reference_with(gazetteer)


@pytest.fixture(scope="module")
def transform(reference):
    def transform(**fields) -> Transformed:
        staged = StagedFacility(**{"name": "Ukunda Clinic", "county": "Kwale"} | fields)
        return standardise(staged, source="regional", key=natural_key(staged), reference=reference)

    return transform


def rules_of(transformed: Transformed) -> set[str]:
    return {finding.rule for finding in transformed.findings}


def test_places_are_resolved_to_their_codes(transform):
    record = transform(county="1. KWALE", constituency="MSAMBWENI", ward="Ukunda Ward").record
    assert (record.county_code, record.constituency_code, record.ward_code) == ("002", "007", "0032")


def test_an_unknown_ward_stays_empty_with_a_finding_that_names_candidates(transform):
    transformed = transform(constituency="Msambweni", ward="Zzyzx")
    assert (transformed.record.constituency_code, transformed.record.ward_code) == ("007", "")
    (finding,) = transformed.findings
    assert (finding.rule, finding.severity, finding.value) == ("ward-unknown", Severity.WARNING, "Zzyzx")
    assert "nearest: " in finding.message


@pytest.mark.parametrize("county", ["", "N/A", "Zzyzx"])
def test_a_county_that_cannot_be_resolved_rejects_the_record(transform, county):
    transformed = transform(county=county)
    assert transformed.record.county_code == ""
    assert ("county-unknown", Severity.REJECT) in {(f.rule, f.severity) for f in transformed.findings}


def test_a_ward_of_another_constituency_stays_empty(transform):
    transformed = transform(constituency="Kinango", ward="Ukunda")
    assert (transformed.record.constituency_code, transformed.record.ward_code) == ("010", "")
    assert "ward-outside-constituency" in rules_of(transformed)


def test_a_location_text_resolves_a_county(transform):
    assert transform(county="", location_text="Kikuyu Town, Kiambu").record.county_code == "022"


def test_only_the_services_that_the_source_states_are_kept(transform):
    assert transform(name="Diani Police Station", default_type="police-station").record.services == ()
    stated = transform(services=("Medical, Psychological & Forensic", "HIV/PEP", "HIV/PEP"))
    assert stated.record.services == ("medical", "psychosocial-support", "forensic", "hiv-pep")
    assert stated.findings == ()


def test_a_service_that_is_not_known_is_reported_and_left_out(transform):
    transformed = transform(services=("Legal aid; Aromatherapy",))
    assert transformed.record.services == ("legal-aid",)
    assert [(f.rule, f.value) for f in transformed.findings] == [("service-unknown", "Aromatherapy")]


def test_what_is_not_stated_stays_empty(transform):
    record = transform(name="Ukunda").record
    assert (record.facility_type, record.status, record.has_gender_desk, record.position) == ("", "", None, None)
    assert (record.constituency_code, record.ward_code, record.registration_number) == ("", "", "")


@pytest.mark.parametrize(
    ("name", "stated", "default", "code"),
    [
        ("Ukunda", "Hospital", "clinic", "hospital"),
        ("Ukunda Hospital", "", "police-station", "hospital"),
        ("Iten Hospital Police Post", "", "", "police-post"),
        ("Ukunda", "", "clinic", "clinic"),
    ],
)
def test_a_type_is_stated_or_in_the_name_or_what_the_source_lists(transform, name, stated, default, code):
    assert transform(name=name, facility_type=stated, default_type=default).record.facility_type == code


@pytest.mark.parametrize(
    ("fields", "is_confidential"),
    [
        ({}, False),
        ({"facility_type": "shelter"}, True),
        ({"facility_type": "Rescue centre"}, True),
        ({"name": "Amani Safe House"}, True),
        ({"confidential": "yes"}, True),
        ({"confidential": "no", "facility_type": "shelter"}, True),
        ({"name": "Amani", "default_type": "support-organisation", "services": ("Safe house",)}, True),
        ({"facility_type": "Hospital", "services": ("Shelter",)}, False),
        ({"name": "Amani", "confidential_unless_known": True}, True),
        ({"name": "Amani", "confidential_unless_known": True, "facility_type": "Hospital"}, False),
    ],
)
def test_shelters_and_who_gives_shelter_are_confidential(transform, fields, is_confidential):
    assert transform(**fields).record.is_confidential is is_confidential


def test_phones_in_cells_and_names_become_contacts_each_once(transform):
    transformed = transform(
        name="KIJIPWA - 0711 000 462",
        contacts=(
            StagedContact("phone", "0712-000-239 / 116"),
            StagedContact("ocs", "0711000462"),
            StagedContact("email", "Info@Example.or.ke"),
        ),
    )
    assert transformed.record.name == "Kijipwa"
    assert transformed.record.contacts == (
        Contact("phone", "+254712000239"),
        Contact("hotline", "116"),
        Contact("phone", "+254711000462"),
        Contact("email", "info@example.or.ke"),
    )


def test_an_unreadable_phone_is_reported_and_left_out(transform):
    transformed = transform(contacts=(StagedContact("phone", "07220"),))
    assert (transformed.record.contacts, rules_of(transformed)) == ((), {"phone-unreadable"})


@pytest.mark.parametrize(
    ("latitude", "longitude", "position", "rule"),
    [
        ("-4.2767", "39.5900", (Decimal("-4.2767"), Decimal("39.59")), None),
        ("39.5900", "-4.2767", (Decimal("-4.2767"), Decimal("39.59")), "coordinates-swapped"),
        ("0", "0", None, "coordinates-zero"),
        ("51.5", "-0.12", None, "coordinates-outside-kenya"),
        ("-4.27", "", None, "coordinates-incomplete"),
        ("here", "there", None, "coordinates-unreadable"),
        ("", "-", None, None),
    ],
)
def test_a_position_is_put_right_or_left_out_with_a_finding(transform, latitude, longitude, position, rule):
    transformed = transform(latitude=latitude, longitude=longitude)
    found = transformed.record.position
    assert (found and (found.latitude, found.longitude)) == position
    assert rules_of(transformed) == ({rule} if rule else set())


def test_an_unread_member_and_an_unknown_status_are_warnings(transform):
    transformed = transform(unread=("motto",), status="Thriving")
    assert {(f.rule, f.severity) for f in transformed.findings} == {
        ("member-unread", Severity.WARNING),
        ("status-unknown", Severity.WARNING),
    }


TEXT_FIELDS = [
    *("name", "identifier", "registration_number", "facility_type", "county", "constituency", "sub_county", "ward"),
    *("town", "address", "location_text", "latitude", "longitude", "status", "level", "ownership", "opening_hours"),
    *("gender_desk", "website", "confidential"),
]
SCRAPS = [
    "Kwale",
    "Msambweni",
    "Ukunda",
    "0712 000 239",
    "116",
    "a@b.ke",
    "shelter",
    "HIV/PEP",
    "-4.2",
    "39.5",
    "\ud800",
    "N/A",
]
texts = st.lists(st.one_of(st.sampled_from(SCRAPS), st.text(st.characters(), max_size=5)), max_size=3).map(" ".join)
stagings = st.builds(
    StagedFacility,
    **dict.fromkeys(TEXT_FIELDS, texts),
    contacts=st.lists(st.builds(StagedContact, texts, texts), max_size=3).map(tuple),
    services=st.lists(texts, max_size=3).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(staged=stagings)
def test_any_text_becomes_a_record_that_the_rules_know_and_that_reads_back_the_same(staged, reference):
    record = standardise(staged, source="regional", key=natural_key(staged), reference=reference).record
    broken = {finding.rule for finding in find_rule_breaks(record, reference)}
    assert broken <= {"name-missing", "not-a-station"}  # what the stage itself makes is well-formed
    written = to_canonical(record)
    assert from_canonical(json.loads(json.dumps(written))) == record
    pointers = {f.pointer for f in find_schema_errors(written, schema="canonical_facility", rule="r")}
    assert pointers <= {"/facility_name", "/location/county"}


def test_a_position_reads_back_with_every_digit(transform):
    record = transform(latitude="-4.27670000", longitude="39.59").record
    assert isinstance(record.position, Position)
    assert str(from_canonical(to_canonical(record)).position) == str(record.position)
