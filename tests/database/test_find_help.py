"""Find help: the nearest open places that state a service; and the contacts that are to be called again."""

import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.models import AccessLog
from facilities.find_help import Wanted, find_help
from facilities.help_request import HelpRequestError, read_request
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    OperationalStatus,
    ServiceCategory,
)
from facilities.verifying import verify
from geography.models import County, Ward
from tests.site import person, visitor

pytestmark = pytest.mark.django_db
PAGE = "/admin/facilities/facility/find-help/"
STALE = "/admin/facilities/facility/stale-contacts/"
HERE = (-1.30, 36.80)


def place(
    name: str, *, km: float | None = None, ward: str = "", county: str = "047", services: tuple[str, ...] = ("hiv-pep",),
    phone: str = "", status: str = "operational", **fields: Any,
) -> Facility:  # fmt: skip
    """Return a place that many km east of HERE, with a phone; a ward brings its constituency and county along."""
    in_ward = Ward.objects.get(ward_code=ward) if ward else None
    facility = Facility.objects.create(
        facility_code=f"T-{Facility.objects.count()}",
        facility_name=name,
        county=in_ward.constituency.county if in_ward else County.objects.get(county_code=county),
        constituency=in_ward and in_ward.constituency,
        ward=in_ward,
        operational_status=OperationalStatus.objects.get(code=status) if status else None,
        **fields,
    )
    for code in services:
        FacilityService.objects.create(facility=facility, service_category=ServiceCategory.objects.get(code=code))
    number = phone or f"+2547{facility.pk:08d}"
    FacilityContact.objects.create(
        facility=facility, contact_type=ContactType.objects.get(code="phone"), contact_value=number
    )
    if km is not None:
        longitude = Decimal(HERE[1] + km / 111.17).quantize(Decimal("1e-8"))
        FacilityCoordinate.objects.create(
            facility=facility, latitude=Decimal(HERE[0]), longitude=longitude, accuracy_level="exact"
        )
    return facility


def called(facility: Facility, *, days_ago: int = 0) -> None:
    when = timezone.now() - timedelta(days=days_ago)
    verify(facility.contacts.get(), "called", user=person("admin"), now=when)


def names(**asked: Any) -> list[str]:
    wanted = read_request(asked.pop("services", ["hiv-pep"]), **asked)
    return [found.name for found in find_help(wanted, whole=False).places]


NEAR = "-1.30,36.80"


def test_nearer_bands_come_first_and_verified_contacts_inside_a_band() -> None:
    place("12 km", km=12)
    called(place("24 km, called long ago", km=24), days_ago=400)
    called(place("20 km, called", km=20))
    place("3 km", km=3)
    assert names(near=NEAR) == ["3 km", "20 km, called", "24 km, called long ago", "12 km"]


def test_a_place_without_a_position_counts_from_the_middle_of_where_it_lies() -> None:
    for km in (3, 12, 21):
        place(f"{km} km", km=km)
    place("somewhere in the county", phone="+254700111222")
    found = find_help(read_request(["hiv-pep"], near=NEAR), whole=False).places
    assert [each.name for each in found] == ["3 km", "12 km", "somewhere in the county", "21 km"]
    assert found[2].distance == f"about 12 km to the middle of {found[2].place}: where in it, is not known"


def test_a_place_of_a_county_without_any_position_comes_last() -> None:
    place("far, called", km=300)
    called(place("nowhere known", county="005", phone="+254700111222"))
    assert names(near=NEAR) == ["far, called", "nowhere known"]


def test_the_safeguarding_leads_number_is_said_where_it_is_set(settings: Any) -> None:
    settings.SAFEGUARDING_CONTACT = "0700 000 000"
    (remark,) = find_help(read_request(["hiv-pep"], near=NEAR), whole=False).remarks
    assert remark.endswith("ask the safeguarding lead (0700 000 000).")


def test_only_what_is_stated_and_open_is_found() -> None:
    place("stated", km=1)
    place("other", km=1, services=("legal-aid",))
    place("closed", km=1, status="not-operational")
    place("closed for now", km=1, status="temporarily-closed")
    place("out of service", km=1, is_active=False)
    place("hidden", km=1, is_confidential=True)
    FacilityService.objects.filter(facility=place("no more", km=1)).update(is_active=False)
    place("unknown", km=2, status="")
    found = find_help(Wanted(("hiv-pep",), point=HERE), whole=False).places
    assert [(each.name, each.remark) for each in found] == [("stated", ""), ("unknown", "status not known: call first")]


def test_several_services_must_all_be_stated() -> None:
    place("both", km=1, services=("hiv-pep", "counselling"))
    place("one", km=1)
    assert names(services=["hiv-pep", "counselling"], near=NEAR) == ["both"]


def test_a_ward_asks_its_own_places_first_then_the_constituency_then_the_county_then_others_about_so_far() -> None:
    ward = Ward.objects.filter(constituency__county__county_code="047").order_by("ward_code").first()
    sibling = Ward.objects.filter(constituency=ward.constituency).exclude(pk=ward.pk).first()
    place("county, near", km=1)
    place("constituency", ward=sibling.ward_code, km=30)
    place("ward", ward=ward.ward_code, km=40)
    place("elsewhere, far", county="001", km=300)
    place("elsewhere", county="022", km=60)
    found = find_help(read_request(["hiv-pep"], ward=ward.ward_code), whole=False).places
    assert [each.name for each in found] == ["ward", "constituency", "county, near", "elsewhere", "elsewhere, far"]
    assert found[0].distance == ""
    assert found[3].distance == f"about 20 km from the middle of {ward}"


def test_without_a_known_position_nothing_is_said_of_places_elsewhere() -> None:
    place("here")
    place("elsewhere", county="001", km=300)
    answer = find_help(read_request(["hiv-pep"], county="Nairobi"), whole=False)
    assert [each.name for each in answer.places] == ["here"]
    assert "No position is known in Nairobi county" in answer.remarks[0]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"services": ["couns"], "near": NEAR}, "there is no service 'couns': known are awareness"),
        ({"services": [], "near": NEAR}, "say which service"),
        ({}, "say where"),
        ({"near": "36.8,-1.3"}, "swapped"),
        ({"near": "51.5,-0.1"}, "outside Kenya"),
        ({"near": "here"}, "Write a position"),
        ({"near": NEAR, "county": "Kisumu"}, "not both"),
        ({"county": "Kisumo"}, "did you mean: Kisumu (042)"),
        ({"ward": "Township"}, "more than one ward"),
        ({"ward": "Township", "county": "Kisumu"}, "there is no ward 'Township' in Kisumu"),
        ({"ward": "Kibra", "county": "Kisumu"}, "there is no ward 'Kibra' in Kisumu"),
        ({"county": "Nairobi", "limit": 0}, "1 to 50"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_in_one_line(asked: dict[str, Any], reason: str) -> None:
    services = asked.pop("services", ["hiv-pep"])
    with pytest.raises(HelpRequestError) as refused:
        read_request(services, **asked)
    assert reason in str(refused.value)


def test_an_empty_registry_says_what_loads_its_services() -> None:
    ServiceCategory.objects.all().delete()
    with pytest.raises(HelpRequestError, match="there are no services yet"):
        read_request(["hiv-pep"], county="Kisumu")


def test_a_ward_of_a_common_name_is_found_in_its_constituency() -> None:
    assert read_request(["hiv-pep"], ward="township", constituency="Kitui Central").place.ward_code == "0355"


@pytest.mark.parametrize(("named", "found"), [("kibra", "Kibra"), ("Kibera", "Kibra"), ("Nakuru", "Nakuru")])
def test_a_name_that_no_ward_has_is_that_of_a_constituency_or_a_county(named: str, found: str) -> None:
    assert str(read_request(["hiv-pep"], ward=named).place) == found


def test_confidential_places_are_counted_by_county_and_nothing_more() -> None:
    hidden = [place(f"Hidden {number}", km=1, is_confidential=True) for number in range(4)]
    county, ward = read_request(["hiv-pep"], county="Nairobi"), read_request(["hiv-pep"], ward="Kilimani")
    said = "Fewer than 5 confidential places in Nairobi county offer this: ask the safeguarding lead."
    assert [find_help(wanted, whole=True).confidential for wanted in (county, ward)] == [said, said]
    assert find_help(Wanted(("hiv-pep",), point=HERE), whole=True).confidential == ""
    place("Hidden 5", km=1, is_confidential=True)
    assert find_help(county, whole=True).confidential.startswith("5 confidential places in Nairobi")
    assert find_help(read_request(["hiv-pep"], county="Kisumu"), whole=True).confidential == ""
    body = visitor("superuser").get(PAGE, {"service": "hiv-pep", "near": NEAR}).content.decode()
    assert all(text not in body for text in ("Hidden", hidden[0].facility_code, "km</p>"))


def test_a_position_of_a_confidential_place_moves_no_middle() -> None:
    place("open", km=10)
    place("hidden", km=400, is_confidential=True)
    place("elsewhere", county="001", km=30)
    assert find_help(read_request(["hiv-pep"], county="Nairobi"), whole=False).places[1].distance_km == 20


@pytest.mark.parametrize(("role", "is_whole"), [("viewer", False), ("data_analyst", False), ("data_engineer", True)])
def test_numbers_are_whole_for_who_edits_which_is_written_down_and_masked_for_others(role: str, is_whole: bool) -> None:
    place("here", km=1, phone="+254722717913")
    body = visitor(role).get(PAGE, {"service": "hiv-pep", "near": NEAR}).content.decode()
    assert ("tel:+254722717913" in body) is is_whole
    assert ("+254722717913" in body) is is_whole
    assert "tel:1195" in body
    rows = [(row.resource, row.count) for row in AccessLog.objects.filter(action="see")]
    assert rows == ([("find help personal", 1)] if is_whole else [])


def test_the_page_offers_the_wards_that_may_be_meant() -> None:
    answer = visitor("viewer").get(PAGE, {"service": "hiv-pep", "ward": "township"})
    assert answer.status_code == 200
    assert "ward=0355" in answer.content.decode()
    assert "Choose what is needed" in visitor("viewer").get(PAGE).content.decode()


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("find_facilities", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_the_same() -> None:
    called(place("here", km=3.4, phone="+254722717913", opening_hours="24 hours", has_gender_desk=True))
    text = run("--service", "hiv-pep", "--near", NEAR)
    assert text.startswith("Help lines: 1195 national gender-based violence helpline")
    for line in ("1. here, 3.4 km", "+254722717913 (verified: ", "open: 24 hours", "has a gender desk"):
        assert line in text
    found = json.loads(run("--service", "hiv-pep", "--near", NEAR, "--json"))
    assert (found["places"][0]["name"], found["places"][0]["distance_km"]) == ("here", 3.4)
    assert "+254722717913" not in run("--service", "hiv-pep", "--near", NEAR, "--user", person("viewer").username)
    for arguments in (["--user", "nobody"], ["--user", person("no-role").username]):
        with pytest.raises(CommandError) as refused:
            run("--service", "hiv-pep", "--near", NEAR, *arguments)
        assert refused.value.returncode == 2


def make_registry(count: int) -> None:
    """Write facilities in bulk, all alike, each with a service, two contacts and a position."""
    counties, service = list(County.objects.all()), ServiceCategory.objects.get(code="counselling")
    start, phone, user = Facility.objects.count(), ContactType.objects.get(code="phone"), person("admin")
    made = Facility.objects.bulk_create(
        Facility(facility_code=f"M-{n}", facility_name=f"Place {n}", county=counties[n % 47])
        for n in range(start, start + count)
    )
    FacilityService.objects.bulk_create(FacilityService(facility=row, service_category=service) for row in made)
    FacilityContact.objects.bulk_create(
        FacilityContact(
            facility=row, contact_type=phone, contact_value=f"+2547{which}{row.pk:07d}",
            value_index=FacilityContact.index_of(f"+2547{which}{row.pk:07d}"), verified_at=timezone.now() - timedelta(days=400),
            verified_by=user, verification_method="called",
        )
        for row in made for which in (0, 1)
    )  # fmt: skip
    FacilityCoordinate.objects.bulk_create(
        FacilityCoordinate(
            facility=row, latitude=Decimal(n % 90) / 10 - 4, longitude=35 + Decimal(n % 60) / 10, accuracy_level="exact"
        )
        for n, row in enumerate(made)
    )


def test_both_pages_take_as_many_queries_for_1200_facilities_as_for_300() -> None:
    browser = visitor("data_engineer")
    used = []
    for more in (300, 900):
        make_registry(more)
        for page, asked in (
            (PAGE, {"service": "counselling", "near": NEAR}),
            (PAGE, {"service": "counselling", "county": "047"}),
            (STALE, {"county": "047", "service": "counselling"}),
            (STALE, {"page": "3"}),
        ):
            browser.get(page, asked)
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(page, asked).status_code == 200
            used.append(len(queries))
    assert used[:4] == used[4:]
    assert max(used) <= 25


# contacts to call again


def rows(role: str = "data_engineer", **asked: str) -> list[tuple[str, str]]:
    answer = visitor(role).get(STALE, asked)
    return [(str(contact.facility), shown.value) for contact, shown, _ in answer.context["rows"]]


def test_what_was_never_verified_comes_first_of_it_help_lines_then_the_oldest() -> None:
    called(place("called", phone="+254700000001"))
    called(place("old", phone="+254700000002"), days_ago=200)
    called(place("older", phone="+254700000003"), days_ago=900)
    never = place("never", phone="+254700000004")
    place("out of service", is_active=False)
    FacilityContact.objects.create(
        facility=never, contact_type=ContactType.objects.get(code="hotline"), contact_value="1195"
    )
    assert rows() == [
        ("never", "1195"), ("never", "+254700000004"), ("older", "+254700000003"), ("old", "+254700000002"),
    ]  # fmt: skip
    assert [(row.resource, row.count) for row in AccessLog.objects.all()] == [("stale contacts personal", 3)]
    assert ("never", "1195") in rows("viewer")
    assert ("never", "+254700000004") not in rows("viewer")
    assert rows(county="001") == rows(service="legal-aid") == []


def test_a_click_says_that_somebody_answered_and_the_contact_leaves_the_list() -> None:
    place("never")
    browser = visitor("data_engineer")
    seen = browser.get(STALE).context["rows"][0][2]
    answer = browser.post(
        "/admin/facilities/facility/contacts/verify/", {"verify": f"{seen}:called", "back": f"{STALE}?county=047"}
    )
    assert answer["Location"] == f"{STALE}?county=047"
    assert "was verified within 180 days" in browser.get(STALE).content.decode()


def test_of_confidential_places_the_page_knows_how_many_in_a_county() -> None:
    for number in range(6):
        place(f"Hidden {number}", is_confidential=True, county="047" if number else "022")
    called(place("Hidden 7", is_confidential=True, county="001"))
    body = visitor("superuser").get(STALE, {"service": "legal-aid"}).content.decode()
    assert "Nairobi 5; fewer than 5 in Kiambu." in body
    assert "Hidden" not in body
