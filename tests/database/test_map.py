"""The map shows what the list shows, and of confidential places a whole county's number."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.models import AccessLog
from core.roles import SAFEGUARDING
from facilities.map import confidential_places, county_labels
from facilities.models import Facility, FacilityCoordinate
from geography.models import County
from tests.canaries import CANARIES, leaks, write_canaries
from tests.sampling import all_or_sample
from tests.site import PEOPLE, visitor
from tests.world import run_import

pytestmark = pytest.mark.django_db
# `make faults` sends everybody
VISITORS = all_or_sample(list(PEOPLE), ["viewer", SAFEGUARDING])
LIST = "/admin/facilities/facility/"
MAP = f"{LIST}map/"
POINTS = f"{MAP}points/"
PK = 3  # where it stands in a point


def points_of(browser: Client, query: dict[str, Any]) -> list[list[Any]]:
    answer = browser.get(POINTS, query)
    assert answer.status_code == 200, query
    return answer.json()["points"]


def listed(browser: Client, query: dict[str, Any]) -> Any:
    answer = browser.get(LIST, query)
    assert answer.status_code == 200, (query, answer.headers)
    return answer.context["cl"].queryset


def make_place(
    name: str, *, county: County, at: tuple[str, str] | None = None, is_confidential: bool = False
) -> Facility:
    code = f"GVRC-TEST-{Facility.objects.count():04d}"
    facility = Facility.objects.create(
        facility_code=code, facility_name=name, county=county, is_confidential=is_confidential
    )
    if at:
        FacilityCoordinate.objects.create(
            facility=facility, latitude=Decimal(at[0]), longitude=Decimal(at[1]), accuracy_level="approximate"
        )
    return facility


def test_the_points_of_every_filter_are_the_rows_of_the_list_that_are_open_and_have_a_position(
    imported: dict[str, Any],
) -> None:
    browser = visitor("data_engineer")
    Facility.objects.filter(facility_type="clinic").update(is_active=False)
    county = Facility.objects.filter(coordinate__latitude__isnull=False, ward__isnull=False).first()
    phone = "0800720565"
    queries: list[dict[str, Any]] = [
        {},
        {"county": county.county_id},
        {"county": county.county_id, "constituency": county.constituency_id, "ward": county.ward_id},
        {"facility_type__code__exact": "hospital"},
        {"service": "medical-care"},
        {"operational_status__operational_status_id__exact": 1},
        {"has_coordinates": "yes"},
        {"has_coordinates": "no"},
        {"is_confidential__exact": "1"},
        {"is_active__exact": "0"},
        {"q": "hospital"},
        {"q": "hospital", "county": county.county_id, "o": "-1", "p": "2"},
        {"q": county.facility_code},
        {"q": phone},
        {"q": "no such place at all"},
    ]
    shown = set()
    for query in queries:
        rows = listed(browser, {name: value for name, value in query.items() if name != "p"})
        expected = set(
            rows.filter(is_confidential=False, coordinate__latitude__isnull=False).values_list("pk", flat=True)
        )
        found = points_of(browser, query)
        assert {point[PK] for point in found} == expected, query
        assert len(found) == len(expected), "each once"
        shown.add(len(found))
        page = browser.get(MAP, query)
        assert page.context["tally"].placed == len(found)
        assert page.context["tally"].places == rows.filter(is_confidential=False).count()
    assert len(shown) > 5, "the filters tell places apart"


def test_a_point_says_where_what_and_how_sure(db: None) -> None:
    kisumu = County.objects.get(county_name="Kisumu")
    place = make_place("Riverside <Clinic>", county=kisumu, at=("-0.0912345678", "34.76"))
    expected = [-0.09123, 34.76, "Riverside <Clinic>", place.pk, "", "Unknown", "approximate", "Kisumu"]
    assert points_of(visitor("viewer"), {}) == [expected]
    Facility.objects.filter(pk=place.pk).update(is_active=False)
    assert points_of(visitor("viewer"), {})[0][5] == "Out of service"


def test_a_county_is_named_at_the_median_of_its_open_positions_and_nowhere_if_it_has_none(db: None) -> None:
    kisumu, nakuru = County.objects.get(county_name="Kisumu"), County.objects.get(county_name="Nakuru")
    for number, at in enumerate([("-0.1", "34.7"), ("-0.2", "34.8"), ("-0.9", "35.5")]):
        make_place(f"Clinic {number}", county=kisumu, at=at)
    make_place("Refuge", county=kisumu, at=("4.0", "41.0"), is_confidential=True)
    make_place("Haven", county=nakuru, at=("-0.3", "36.1"), is_confidential=True)
    assert county_labels(confidential_places()) == [
        {"name": "Kisumu", "latitude": -0.2, "longitude": 34.8, "confidential": "fewer than 5"}
    ]
    page = visitor("viewer").get(MAP)
    assert page.context["confidential"] == {"Kisumu": "fewer than 5", "Nakuru": "fewer than 5"}


def test_a_county_with_five_confidential_places_has_its_number_whatever_the_filter_says(db: None) -> None:
    kisumu = County.objects.get(county_name="Kisumu")
    make_place("Riverside Clinic", county=kisumu, at=("-0.1", "34.7"))
    for number in range(5):
        make_place(f"Refuge {number}", county=kisumu, is_confidential=True)
    browser = visitor("viewer")
    for query in (
        {}, {"county": County.objects.get(county_name="Nakuru").pk}, {"q": "Refuge 3"}, {"service": "shelter"},
        {"is_confidential__exact": "0"}, {"county": kisumu.pk, "constituency": 1}, {"has_coordinates": "yes"},
    ):  # fmt: skip
        page = browser.get(MAP, query)
        assert page.context["confidential"] == {"Kisumu": "5"}, query
        assert page.context["counties"] == county_labels({"Kisumu": "5"}), query


def test_the_numbers_of_a_page_do_not_move_with_what_is_confidential(db: None) -> None:
    kisumu = County.objects.get(county_name="Kisumu")
    make_place("Riverside Clinic", county=kisumu)
    browser = visitor("viewer")
    before = [browser.get(MAP, query).context["tally"] for query in ({}, {"has_coordinates": "no"}, {"q": "a"})]
    make_place("Refuge", county=kisumu, is_confidential=True)
    make_place("Haven", county=kisumu, at=("-0.3", "36.1"), is_confidential=True)
    after = [browser.get(MAP, query).context["tally"] for query in ({}, {"has_coordinates": "no"}, {"q": "a"})]
    assert before == after


def test_no_confidential_place_is_in_a_page_or_in_its_points_for_any_role_and_any_filter(
    db: None, tmp_path: Path
) -> None:
    write_canaries(tmp_path)
    assert run_import(tmp_path)["status"] == "succeeded"
    facility = Facility.objects.filter(is_confidential=True, coordinate__isnull=False).first()
    canary = CANARIES[8]
    queries = [
        {}, {"is_confidential__exact": "1"}, {"has_coordinates": "yes"}, {"county": facility.county_id},
        {"q": facility.facility_code}, {"q": "a confidential place"}, {"service": "shelter"}, {"_facets": "1"},
        *({"q": word} for word in (canary.name, canary.words[0], canary.phone, canary.email, canary.latitude, canary.address)),
    ]  # fmt: skip
    hidden = set(Facility.objects.filter(is_confidential=True).values_list("pk", flat=True))
    for role in VISITORS:
        browser = visitor(role)
        for query in queries:
            for address in (MAP, POINTS):
                answer = browser.get(address, query)
                # the address itself is repeated in links; what the page adds must hold nothing
                body = answer.content.decode().replace(urlencode(query), "")
                headers = (
                    str(answer.headers)
                    .replace(urlencode(query), "")
                    .replace(urlencode({"n": urlencode(query)})[2:], "")
                )
                assert not leaks(body + headers), (role, address, query)
                if answer.status_code == 200 and address == POINTS:
                    assert not hidden & {point[PK] for point in answer.json()["points"]}, (role, query)


def test_the_page_of_a_confidential_place_has_no_map_and_that_of_an_open_one_its_own_position(db: None) -> None:
    kisumu = County.objects.get(county_name="Kisumu")
    open_place = make_place("Riverside Clinic", county=kisumu, at=("-0.1", "34.7"))
    hidden = make_place("Haven", county=kisumu, at=("-0.3", "36.1"), is_confidential=True)
    bare = make_place("Hillside Clinic", county=kisumu)
    for role in ("viewer", "data_engineer", SAFEGUARDING, "superuser"):
        browser = visitor(role)
        pages = [browser.get(f"{LIST}{place.pk}/change/").content.decode() for place in (open_place, hidden, bare)]
        assert ['class="registry-map' in page for page in pages] == [True, False, False], role
        assert 'data-latitude="-0.10000000"' in pages[0]


def test_a_map_takes_as_many_queries_for_few_places_as_for_many(db: None) -> None:
    browser = visitor("viewer")
    kisumu, nakuru = County.objects.get(county_name="Kisumu"), County.objects.get(county_name="Nakuru")
    make_place("Riverside Clinic", county=kisumu, at=("-0.1", "34.7"))
    for number in range(40):
        make_place(f"Clinic {number}", county=nakuru, at=(f"-0.{number + 10}", "36.1"))

    def count(county: County) -> list[int]:
        counts = []
        for address in (MAP, POINTS):
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(address, {"county": county.pk}).status_code == 200
            counts.append(len(queries))
        return counts

    assert [len(points_of(browser, {"county": county.pk})) for county in (kisumu, nakuru)] == [1, 40]
    assert count(kisumu) == count(nakuru)


def test_a_contact_search_on_the_map_is_written_down_like_one_in_the_list(db: None) -> None:
    visitor("data_analyst").get(POINTS, {"q": "0722000001"})
    assert AccessLog.objects.filter(action="query", resource="facilities by contact").count() == 1


def test_an_empty_registry_says_what_to_do_next(db: None) -> None:
    page = visitor("viewer").get(MAP).content.decode()
    assert "import_facilities" in page
    assert "registry-map" not in page
    assert points_of(visitor("viewer"), {}) == []


def test_a_filter_that_cannot_be_read_leads_back_to_the_whole_map(db: None) -> None:
    browser = visitor("viewer")
    nonsense = {"is_active__exact": "perhaps"}
    assert browser.get(MAP, nonsense)["Location"] == MAP
    assert browser.get(POINTS, nonsense).status_code == 400
    assert browser.get(POINTS, {"sealed_details__startswith": "x"}).status_code == 400, "no column can be guessed"


def test_the_list_leads_to_the_map_of_its_filter_and_the_map_back_to_the_list(db: None) -> None:
    make_place("Riverside Clinic", county=County.objects.get(county_name="Kisumu"))
    browser = visitor("viewer")
    there = browser.get(LIST, {"has_coordinates": "no", "q": "clinic", "p": 1}).content.decode()
    assert f'href="{MAP}?has_coordinates=no&amp;q=clinic"' in there
    page = browser.get(MAP, {"q": "clinic"}).content.decode()
    assert f'href="{LIST}?q=clinic"' in page
    assert f'href="{LIST}?has_coordinates=no&amp;is_confidential__exact=0&amp;q=clinic"' in page
    assert browser.get(LIST, {"has_coordinates": "no", "is_confidential__exact": 0}).context["cl"].result_count == 1


def test_the_map_needs_no_more_than_the_content_security_policy_allows(db: None) -> None:
    assert settings.SECURE_CSP["img-src"] == ["'self'", "data:"]
    make_place("Riverside </script> Clinic", county=County.objects.get(county_name="Kisumu"), at=("-0.1", "34.7"))
    page = visitor("viewer").get(MAP).content.decode()
    own = page[page.index('<div class="map-layout">') : page.index("map-confidential")]
    assert "<script>" not in own
    assert "onclick" not in own
    labels = json.loads(own.split('id="map-counties" type="application/json">')[1].split("</script>")[0])
    assert [label["name"] for label in labels] == ["Kisumu"]
    for name in ("vendor/leaflet/LICENSE", "vendor/leaflet.markercluster/LICENSE", "vendor/leaflet/images/layers.png"):
        assert finders.find(f"facilities/{name}"), name
    script = Path(finders.find("facilities/map.js")).read_text(encoding="utf-8")
    assert "http" not in script, "nothing comes from elsewhere"
