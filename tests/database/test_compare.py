"""Any two facilities side by side: why they are two, what a merge would make of them, and the decision."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from core.models import AccessLog
from core.roles import SAFEGUARDING
from etl.models import DuplicatePair, ImportRun
from facilities.models import Facility, RetiredCode
from tests.canaries import CANARIES, leaks
from tests.site import person, visitor
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.django_db
COMPARE = "/admin/etl/duplicatepair/compare/"
SHELTER = CANARIES[6]


@pytest.fixture
def places(tmp_path: Path) -> list[Facility]:
    """Return four facilities: two of one county that nothing joins, one of another county, and a shelter."""
    records = [
        provider(0, opening_hours="Mon-Fri"),
        provider(4, opening_hours="Daily"),
        provider(1),
        provider(
            8, facility_name=SHELTER.name, service_type="Shelter", location=SHELTER.address, contact=SHELTER.phone
        ),
    ]
    write_providers(tmp_path, records)
    run_import(tmp_path, "other_services")
    first, second, third = Facility.objects.filter(is_confidential=False).order_by("county__county_name", "pk")[:3]
    by_county = sorted((first, second, third), key=lambda f: (f.county.county_name != "Nairobi", f.pk))
    return [*by_county, Facility.objects.get(is_confidential=True)]


def address(one: Facility, other: Facility) -> str:
    return f"{COMPARE}?{urlencode({'one': one.facility_code, 'other': other.facility_code})}"


def seen(one: Facility, other: Facility) -> str:
    return f"{one.facility_code} {other.facility_code} to_review"


def choose(browser: Client, *chosen: Facility) -> str:
    data = {"action": "compare_chosen", "_selected_action": [f.pk for f in chosen]}
    answer = browser.post("/admin/facilities/facility/", data, follow=True)
    return answer.content.decode()


def test_two_chosen_facilities_are_compared_with_score_features_and_why_they_are_two(places: list[Facility]) -> None:
    one, other, elsewhere, shelter = places
    browser = visitor("viewer")
    shown = choose(browser, one, other)
    assert one.facility_name in shown
    assert other.facility_name in shown
    assert "below 0.41 nobody is asked" in shown
    assert "Matching never takes them for one" in choose(browser, one, elsewhere)
    assert "Support organisation" in shown
    assert "support-organisation" not in shown
    assert "Preview the merge" not in shown
    assert "Choose two facilities" in choose(browser, one)
    assert "Choose two facilities" in choose(browser, one, other, elsewhere)
    assert "Only safeguarding compares" in choose(browser, one, shelter)
    assert DuplicatePair.objects.count() == 0
    assert "these codes name one facility" in browser.get(address(one, one), follow=True).content.decode()
    assert "no facility has the code" in browser.get(f"{COMPARE}?one=GVRC-X", follow=True).content.decode()
    for decision in ("merge", "separate", "preview"):
        assert browser.post(address(one, other), {"decision": decision, "seen": seen(one, other)}).status_code == 403


def test_only_safeguarding_compares_a_confidential_place_and_it_is_written_down(places: list[Facility]) -> None:
    one, *_, shelter = places
    for role in ("viewer", "data_analyst", "data_engineer", "admin", "superuser"):
        answer = visitor(role).get(address(one, shelter))
        assert answer.status_code == 403, role
        assert leaks(answer.content.decode()) == set()
    lead = visitor(SAFEGUARDING)
    shown = lead.get(address(one, shelter)).content.decode()
    assert leaks(shown) == set()
    assert "a confidential place" in shown or "hidden" in shown
    assert AccessLog.objects.filter(action="compare", resource__contains=shelter.facility_code).count() == 1


def test_a_preview_shows_what_would_stand_and_writes_nothing(places: list[Facility]) -> None:
    one, other, *_ = places
    browser = visitor("data_engineer")
    runs = ImportRun.objects.count()
    data = {
        "decision": "preview",
        "keep": other.facility_code,
        "seen": seen(one, other),
        "choose_opening_hours": "other",
    }
    shown = browser.post(address(one, other), data).content.decode()
    assert f'After the merge <span class="font-normal">({other.facility_code})' in shown
    assert "nothing was written" in shown
    assert shown.count(other.opening_hours) == 2, "its own cell, and what the merge would make of it"
    assert shown.count(one.opening_hours) == 1
    assert 'name="choose_opening_hours" value="other" checked' in shown
    assert (ImportRun.objects.count(), RetiredCode.objects.count(), Facility.objects.count()) == (runs, 0, 4)
    answer = browser.post(address(one, other), data | {"decision": "merge"}, follow=True)
    assert f"{one.facility_code} merged into {other.facility_code}" in answer.content.decode()
    assert Facility.objects.get(pk=other.pk).opening_hours == other.opening_hours


def test_two_that_were_told_apart_say_so(places: list[Facility]) -> None:
    one, other, *_ = places
    browser = visitor("data_engineer")
    browser.post(address(one, other), {"decision": "separate", "seen": seen(one, other)})
    shown = browser.get(address(other, one)).content.decode()
    assert "A person told them apart" in shown
    assert "Their pair in the queue" in shown


def test_a_member_of_safeguarding_who_is_an_engineer_too_may_merge_what_is_confidential(places: list[Facility]) -> None:
    one, *_, shelter = places
    browser = visitor("data_engineer")
    person("data_engineer").groups.add(Group.objects.get(name=SAFEGUARDING))
    shown = browser.post(address(one, shelter), {"decision": "preview", "seen": seen(one, shelter)}).content.decode()
    assert "After the merge" in shown
    assert leaks(shown) == set()
