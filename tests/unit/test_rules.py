"""Each rule with records that keep it and records that break it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from etl.stages.records import Accuracy, Contact, FacilityRecord, Position, Severity
from etl.stages.rules import Dataset, find_rule_breaks, phones_on_many_facilities, positions_far_from_their_county
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


def test_a_position_far_from_its_countys_others_is_a_warning():
    dataset = Dataset({"002": [*NEAR, ("GVRC-FAR", 3.1, 35.6)]}, {})
    (finding,) = positions_far_from_their_county(dataset)
    assert (finding.rule, finding.severity) == ("position-far-from-county", Severity.WARNING)
    assert finding.message.startswith("GVRC-FAR lies 9")


@pytest.mark.parametrize("points", [[], [*NEAR, ("GVRC-9", -4.2, 39.6)], [*NEAR[:3], ("GVRC-FAR", 3.1, 35.6)]])
def test_positions_together_or_too_few_to_tell_are_no_warning(points):
    assert list(positions_far_from_their_county(Dataset({"002": points}, {}))) == []


def test_a_phone_on_ten_facilities_is_a_warning_without_the_number():
    (finding,) = phones_on_many_facilities(Dataset({}, {"+254712000239": 10, "+254712000240": 9}))
    assert (finding.rule, finding.severity) == ("phone-on-many-facilities", Severity.WARNING)
    assert "10 facilities" in finding.message
    assert "254" not in finding.message
