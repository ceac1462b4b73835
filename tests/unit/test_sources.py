"""Each raw shape's record under the canonical names."""

import pytest

from etl.sources import SOURCES
from etl.stages.records import RawRecord, StagedContact, StagedFacility


def stage(source: str, payload: object, **inherited: str) -> StagedFacility:
    raw = RawRecord(source=source, file=f"{source}.json", pointer="/0", payload=payload, inherited=inherited)
    return SOURCES[source].stage(raw)


def phone(value: str, kind: str = "phone") -> StagedContact:
    return StagedContact(kind, value)


def test_a_regional_record_is_staged():
    payload = {
        "name": "ITEN COUNTY REFERRAL HOSPITAL ",
        "mfl_code": 14586,
        "registration_number": "N/A",
        "level": "Level 4",
        "type": "Hospital",
        "ownership": "Ministry of Health",
        "status": "Operational",
        "location": {
            "sub_county": "Keiyo North",
            "constituency": "KEIYO NORTH",
            "ward": "Kamariny Ward",
            "town": "Iten",
            "address": "Iten-Kabarnet Rd",
            "coordinates": {"lat": "35.5081", "long": "0.6703"},
        },
        "contacts": {"phone": "0712-000-239 / 053 42045", "email": "N/A", "website": ""},
        "services": ["PRC", "Counselling", "HIV/PEP"],
    }
    assert stage("regional", payload, region="RIFT VALLEY", county="Elgeyo Marakwet") == StagedFacility(
        name="ITEN COUNTY REFERRAL HOSPITAL ",
        identifier="14586",
        registration_number="N/A",
        facility_type="Hospital",
        county="Elgeyo Marakwet",
        constituency="KEIYO NORTH",
        sub_county="Keiyo North",
        ward="Kamariny Ward",
        town="Iten",
        address="Iten-Kabarnet Rd",
        sub_place="Keiyo North|KEIYO NORTH|Kamariny Ward",
        latitude="35.5081",
        longitude="0.6703",
        contacts=(phone("0712-000-239 / 053 42045"), phone("N/A", "email")),
        services=("PRC", "Counselling", "HIV/PEP"),
        status="Operational",
        level="Level 4",
        ownership="Ministry of Health",
    )


def test_a_flat_service_record_is_staged():
    payload = {
        "facility_name": "Wangu Foundation -",
        "service_type": "Psychosocial support; Legal aid",
        "contact": "0800 000 121, info@example.or.ke",
        "county": "Nairobi City",
        "location": "Mukuru kwa Reuben, off Enterprise Rd",
        "latitude": "",
        "longitude": "-",
    }
    assert stage("other_services", payload) == StagedFacility(
        name="Wangu Foundation -",
        default_type="support-organisation",
        county="Nairobi City",
        address="Mukuru kwa Reuben, off Enterprise Rd",
        location_text="Mukuru kwa Reuben, off Enterprise Rd",
        sub_place="Mukuru kwa Reuben, off Enterprise Rd",
        longitude="-",
        contacts=(phone("0800 000 121, info@example.or.ke", "contact"),),
        services=("Psychosocial support; Legal aid",),
    )


PLACED = {"region": "COAST", "county": "1. KWALE", "sub_county": "MSAMBWENI"}


@pytest.mark.parametrize(
    ("payload", "town", "sub_county", "ward", "contacts", "gender_desk"),
    [
        (
            {"station_name": "DIANI-", "location": "Diani", "contacts": ["0722000010"], "gender_desk": "YES"},
            *("Diani", "MSAMBWENI", "", (phone("0722000010", "contacts"),), "YES"),
        ),
        (
            {"station_name": "KIJIPWA - 0711 000 462", "location": None, "contacts": [], "gender_desk": "-"},
            *("", "MSAMBWENI", "", (), "-"),
        ),
        (
            {
                "station_name": "KINANGO P/STN -",
                "location": {"sub_county": "KINANGO", "ward": "Kinango"},
                "contacts": {"ocs": "0722 000 448"},
                "gender_desk": "NIL",
            },
            *("", "KINANGO", "Kinango", (phone("0722 000 448", "ocs"),), "NIL"),
        ),
    ],
)
def test_a_police_station_is_staged(payload, town, sub_county, ward, contacts, gender_desk):
    staged = stage("kps_stations", payload, **PLACED)
    assert (staged.name, staged.default_type) == (payload["station_name"], "police-station")
    assert (staged.county, staged.sub_county, staged.ward, staged.town) == ("1. KWALE", sub_county, ward, town)
    assert (staged.contacts, staged.gender_desk, staged.services) == (contacts, gender_desk, ())
    assert staged.unread == ()


def test_a_police_county_is_never_read_off_name_or_place():
    staged = stage("kps_stations", {"station_name": "SAMBURU", "location": "Samburu, Nairobi"}, **PLACED)
    assert (staged.county, staged.location_text) == ("1. KWALE", "")


def test_a_category_a_record_is_staged():
    payload = {
        "organization_name": "Gender Violence Recovery Centre (GVRC) - Nairobi Women's Hospital",
        "services": "Medical, Psychological & Forensic",
        "location": "Hurlingham, Nairobi",
        "phone": "+254 (0) 709 000 000",
        "hours": "24hrs",
    }
    assert stage("category_A", payload, category="Medical") == StagedFacility(
        name="Gender Violence Recovery Centre (GVRC) - Nairobi Women's Hospital",
        address="Hurlingham, Nairobi",
        location_text="Hurlingham, Nairobi",
        sub_place="Hurlingham, Nairobi",
        contacts=(phone("+254 (0) 709 000 000"),),
        services=("Medical, Psychological & Forensic",),
        opening_hours="24hrs",
    )


def test_a_category_b_record_is_staged():
    payload = {
        "organization_name": "GVRC Nairobi Womens Hosp.",
        "services": ["Medical Services", "counseling"],
        "location": {"county": "NAIROBI", "constituency": "Dagoreti North", "ward": "Kilimani Ward"},
        "contact": {"tel": "709000000", "email": "None", "website": "None"},
    }
    staged = stage("category_B", payload)
    assert (staged.county, staged.constituency, staged.ward) == ("NAIROBI", "Dagoreti North", "Kilimani Ward")
    assert staged.services == ("Medical Services", "counseling")
    assert staged.contacts[:2] == (phone("709000000", "tel"), phone("None", "email"))
    assert staged.unread == ()


def test_a_network_clinic_is_staged_with_longitude_first():
    payload = {
        "facility_name": "Equity Afia  Medical Centre (Kikuyu)",
        "location": "Kikuyu Town, Kiambu",
        "coordinates": [36.6629, -1.2462],
        "services": "Outpatient|Lab|Pharmacy",
        "phone": "0763000000",
    }
    staged = stage("equity_afya", payload, network="Equity Afia")
    assert (staged.latitude, staged.longitude) == ("-1.2462", "36.6629")
    assert (staged.town, staged.default_type, staged.county) == ("Kikuyu Town", "clinic", "")
    assert (staged.contacts, staged.services) == ((phone("0763000000"),), ("Outpatient|Lab|Pharmacy",))
    assert staged.unread == ()


def test_a_support_organisation_is_staged():
    payload = {
        "name": "Legal Aid Kisumu",
        "type": "shelter",
        "location": {"county": "Kisumu"},
        "services": ["Legal aid"],
        "confidential": True,
        "contacts": [{"type": "hotline", "value": "0800 000 501"}],
    }
    assert stage("gbv_support_organizations", payload) == StagedFacility(
        name="Legal Aid Kisumu",
        facility_type="shelter",
        county="Kisumu",
        sub_place="||",
        contacts=(phone("0800 000 501", "hotline"),),
        services=("Legal aid",),
        confidential="true",
        confidential_unless_known=True,
    )


NAMES = {
    "regional": "name",
    "other_services": "facility_name",
    "kps_stations": "station_name",
    "category_A": "organization_name",
    "category_B": "organization_name",
    "equity_afya": "facility_name",
    "gbv_support_organizations": "name",
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_member_that_no_mapping_reads_is_reported(source):
    payload = {NAMES[source]: "X", "motto": "Care", "location": {"county": "Kwale", "plot": "12"}}
    assert stage(source, payload).unread == ("location.plot", "motto")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("payload", [{}, None, [], "text", 7, {"location": [], "contacts": None, "services": None}])
def test_a_record_of_the_wrong_shape_stages_to_nothing_and_raises_nothing(source, payload):
    staged = stage(source, payload)
    assert (staged.name, staged.contacts, staged.services, staged.county) == ("", (), (), "")


@pytest.mark.parametrize("source", SOURCES)
def test_a_contact_is_read_once(source):
    payload = {NAMES[source]: "X", "contacts": {"phone": "0712 000 239"}, "email": "info@example.or.ke"}
    assert stage(source, payload).contacts == (phone("0712 000 239"), phone("info@example.or.ke", "email"))


@pytest.mark.parametrize("source", SOURCES)
def test_a_member_beside_a_contacts_value_is_read_or_reported(source):
    contact = {"type": "hotline", "value": "0800 000 501", "email": "info@example.or.ke"}
    staged = stage(source, {NAMES[source]: "X", "contacts": [contact]})
    assert "info@example.or.ke" in {c.value for c in staged.contacts} or staged.unread


def test_the_sources_have_distinct_precedences():
    assert sorted(source.precedence for source in SOURCES.values()) == list(range(1, len(SOURCES) + 1))
