"""Each rule with records that keep it and records that break it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from etl.stages.records import Accuracy, Contact, FacilityRecord, Position, Severity
from etl.stages.rules import (
    Dataset,
    counts_off,
    facilities_on_one_point,
    find_rule_breaks,
    phones_on_many_facilities,
    positions_far_from_their_county,
    service_profiles_all_alike,
)
from tests.unit.reference_data import reference_with

UKUNDA = FacilityRecord(
    source="regional",
    key="id:1",
    facility_code="GVRC-1",
    name="Ukunda Clinic",
    facility_type="clinic",
    county_code="002",
    constituency_code="007",
    ward_code="0032",
    status="operational",
    position=Position(Decimal("-4.2767"), Decimal("39.59"), Accuracy.EXACT),
    contacts=(Contact("phone", "+254712000239"), Contact("hotline", "116"), Contact("email", "info@example.or.ke")),
    services=("legal-aid",),
)


@pytest.fixture(scope="module")
def reference(gazetteer):
    return reference_with(gazetteer)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ward_code": ""},
        {"ward_code": "", "constituency_code": ""},
        {"position": None},
        {"contacts": (), "services": (), "status": "", "facility_type": ""},
        {"name": "Central Police Station", "facility_type": "police-station"},
        {"name": "Station"},
    ],
)
def test_a_good_record_breaks_no_rule(reference, fields):
    assert find_rule_breaks(replace(UKUNDA, **fields), reference) == ()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"name": ""}, "name-missing"),
        ({"name": "254"}, "name-missing"),
        ({"name": "", "facility_type": "police-station"}, "not-a-station"),
        ({"name": "12", "facility_type": "police-station"}, "not-a-station"),
        ({"name": "POLICE STATION", "facility_type": "police-station"}, "not-a-station"),
        ({"name": "S/No Station Name", "facility_type": "police-station"}, "not-a-station"),
        ({"ward_code": "0001"}, "hierarchy-invalid"),
        ({"ward_code": "9999"}, "hierarchy-invalid"),
        ({"constituency_code": ""}, "hierarchy-invalid"),
        ({"constituency_code": "001", "ward_code": ""}, "hierarchy-invalid"),
        ({"county_code": "099", "constituency_code": "", "ward_code": ""}, "hierarchy-invalid"),
        ({"position": Position(Decimal("51.5"), Decimal("-0.1"), Accuracy.EXACT)}, "position-invalid"),
        ({"position": Position(Decimal("NaN"), Decimal(37), Accuracy.EXACT)}, "position-invalid"),
        ({"contacts": (Contact("phone", "0712000239"),)}, "contact-invalid"),
        ({"contacts": (Contact("phone", "+254712000239\n"),)}, "contact-invalid"),
        ({"contacts": (Contact("email", "info@"),)}, "contact-invalid"),
        ({"contacts": (Contact("email", "INFO@example.or.ke"),)}, "contact-invalid"),
        ({"contacts": (Contact("pigeon", "+254712000239"),)}, "contact-invalid"),
        ({"status": "thriving"}, "lookup-unknown"),
        ({"facility_type": "castle"}, "lookup-unknown"),
        ({"services": ("aromatherapy",)}, "lookup-unknown"),
    ],
)
def test_a_bad_record_is_rejected(reference, fields, rule):
    (finding,) = find_rule_breaks(replace(UKUNDA, **fields), reference)
    assert (finding.rule, finding.severity) == (rule, Severity.REJECT)
    assert "0712000239" not in repr(finding)


NEAR = [(f"GVRC-{n}", -4.2 + n / 100, 39.5) for n in range(4)]


def test_a_position_far_from_its_countys_others_wants_a_look():
    (found,) = positions_far_from_their_county(Dataset({"002": [*NEAR, ("GVRC-FAR", 3.1, 35.6)]}))
    assert (found.rule, found.facilities) == ("position-far-from-county", ("GVRC-FAR",))
    assert found.message.startswith("GVRC-FAR lies 9")


@pytest.mark.parametrize("points", [[], [*NEAR, ("GVRC-9", -4.2, 39.6)], [*NEAR[:3], ("GVRC-FAR", 3.1, 35.6)]])
def test_positions_together_or_too_few_to_tell_want_none(points):
    assert list(positions_far_from_their_county(Dataset({"002": points}))) == []


def test_five_facilities_on_one_point_want_a_look_and_four_do_not():
    stack = [(f"GVRC-{n}", -4.2, 39.5) for n in range(5)]
    (found,) = facilities_on_one_point(Dataset({"002": [*stack, *NEAR[1:]]}))
    assert (found.rule, found.facilities) == ("facilities-on-one-point", tuple(f"GVRC-{n}" for n in range(5)))
    assert list(facilities_on_one_point(Dataset({"002": stack[:4]}))) == []


def test_a_phone_on_ten_facilities_wants_a_look_without_the_number():
    counts = {"+254712000239": 10, "+254712000240": 9}
    (found,) = phones_on_many_facilities(
        Dataset(facility_count_by_contact=counts, codes_by_contact={"+254712000239": ["GVRC-1"]})
    )
    assert (found.rule, found.facilities) == ("phone-on-many-facilities", ("GVRC-1",))
    assert "10 facilities" in found.message
    assert "254" not in found.message


def test_services_that_a_lists_maker_filled_in_want_a_look():
    same = ("medical", "psychosocial-support")
    (found,) = service_profiles_all_alike(
        Dataset(profiles_by_source={"kps_stations": {same: 19, ("medical",): 1, (): 60}})
    )
    assert (found.rule, found.message.split(":")[0]) == ("service-profiles-all-alike", "kps_stations")


@pytest.mark.parametrize(
    "profiles",
    [
        {("medical",): 30},  # one service alone is what a list is about
        {("a", "b"): 9},  # too few
        {("a", "b"): 15, ("a", "c"): 5},
        {(): 50},
    ],
)
def test_services_that_differ_or_are_one_want_none(profiles):
    assert list(service_profiles_all_alike(Dataset(profiles_by_source={"regional": profiles}))) == []


@pytest.mark.parametrize(
    ("before", "now", "is_off"), [(100, 121, True), (100, 79, True), (100, 120, False), (19, 60, False)]
)
def test_a_count_that_moves_by_more_than_a_fifth_wants_a_look(before, now, is_off):
    assert bool(list(counts_off(Dataset(counts={"facilities in Kilifi": (before, now)})))) == is_off
