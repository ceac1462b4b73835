"""Rejects in the browser: grouped by rule, with what may be shown of their records, mended by an alias."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.models import AccessLog
from etl.models import SourceRecord, SourceRecordVersion
from facilities.models import Facility
from geography.models import Constituency, County, PlaceAlias
from tests.canaries import CANARIES, leaks
from tests.sampling import all_or_sample
from tests.site import PEOPLE, visitor
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.django_db
BY_RULE = "/admin/etl/sourcerecordversion/by-rule/"
LIST = "/admin/etl/sourcerecordversion/"
SHELTER = CANARIES[4]


@pytest.fixture
def rejected(tmp_path: Path) -> None:
    """Twelve providers: two in an unknown county, one without a name, and a shelter in an unknown county."""
    records = [provider(number) for number in range(12)]
    records[3]["county"] = records[7]["county"] = "Quonset"
    records[3]["location"] = "Plot 77 Acacia Lane"
    records[5]["facility_name"] = ""
    records[8] |= {
        "facility_name": SHELTER.name, "service_type": "Shelter", "contact": f"{SHELTER.phone}, {SHELTER.email}",
        "county": SHELTER.words[1], "location": SHELTER.address,
    }  # fmt: skip
    write_providers(tmp_path, records)
    run_import(tmp_path, "other_services")


def reject_at(pointer: str) -> SourceRecordVersion:
    return SourceRecordVersion.objects.get(pointer=pointer, state="rejected")


def page_of(version: SourceRecordVersion) -> str:
    return f"{LIST}{version.pk}/change/"


def text_of(browser: Client, address: str, data: dict[str, str] | None = None) -> str:
    answer = browser.post(address, data, follow=True) if data else browser.get(address, follow=True)
    return answer.content.decode()


def test_rejects_are_grouped_by_rule_with_what_to_do(rejected: None) -> None:
    shown = text_of(visitor("viewer"), BY_RULE)
    assert "County not found · 3" in shown
    assert "No name · 1" in shown
    assert "other_services 3" in shown
    assert "Quonset" in shown
    assert "state__exact=rejected&amp;rule=county-unknown" in shown
    assert "Replay these" not in shown
    assert "Replay these" in text_of(visitor("data_engineer"), BY_RULE)


def test_without_a_reject_the_page_names_the_next_step(db: None) -> None:
    assert "Nothing was rejected" in text_of(visitor("viewer"), BY_RULE)


def test_the_page_takes_three_queries_of_its_own_however_many_rejects(rejected: None) -> None:
    browser = visitor("viewer")
    browser.get(BY_RULE)
    with CaptureQueriesContext(
        connection,
    ) as few:
        browser.get(BY_RULE)
    SourceRecordVersion.objects.filter(state="loaded").update(
        state="rejected", findings=[{"rule": "name-missing", "severity": "reject", "message": "m", "field": "name"}]
    )
    with CaptureQueriesContext(connection) as many:
        browser.get(BY_RULE)
    assert len(many) == len(few)


def test_rejects_of_a_rule_are_discarded_after_a_question(rejected: None) -> None:
    browser = visitor("data_engineer")
    asked = text_of(browser, BY_RULE, {"do": "discard", "rule": "county-unknown"})
    assert "Discard 3 rejects" in asked
    assert SourceRecordVersion.objects.filter(state="discarded").count() == 0
    text_of(browser, BY_RULE, {"do": "discard", "rule": "county-unknown", "sure": "yes"})
    assert SourceRecordVersion.objects.filter(state="discarded").count() == 3
    assert "No name · 1" in text_of(browser, BY_RULE)


def test_rejects_of_a_rule_are_replayed(rejected: None) -> None:
    PlaceAlias.objects.create(level="county", alias="Quonset", target_code="047", kind="spelling")
    told = text_of(visitor("data_engineer"), BY_RULE, {"do": "replay", "rule": "county-unknown"})
    assert "3 replayed, 2 loaded, 1 still rejected" in told


def test_who_may_not_transform_replays_and_discards_nothing(rejected: None) -> None:
    for browser in map(visitor, ("viewer", "data_analyst", "safeguarding_lead", "admin")):
        for what in ("replay", "discard"):
            assert browser.post(BY_RULE, {"do": what, "rule": "county-unknown", "sure": "yes"}).status_code == 403
        assert "alias-title" not in text_of(browser, page_of(reject_at("/3")))
        typed = {"alias-alias": "Quonset", "alias-kind": "spelling", "alias-county": "1"}
        assert browser.post(page_of(reject_at("/3")), typed).status_code == 403


def test_the_page_of_an_open_reject_shows_its_record_with_contacts_masked(rejected: None) -> None:
    version = reject_at("/3")
    shown = text_of(visitor("viewer"), page_of(version))
    assert "Dafina Amani Counselling Office" in shown
    assert "Psychosocial support; Legal aid" in shown
    assert "0722 100 003" not in shown
    assert "0722***03" in shown
    assert "Acacia" not in shown, "a street is for those who edit"
    assert "Acacia" in text_of(visitor("data_engineer"), page_of(version))
    assert AccessLog.objects.filter(action="see", resource=f"reject:{version.source_record_id} address").count() == 1


def test_the_list_names_each_place_in_as_many_queries_for_ten_as_for_two(rejected: None) -> None:
    browser = visitor("viewer")
    browser.get(LIST)
    with CaptureQueriesContext(connection) as few:
        shown = text_of(browser, f"{LIST}?state__exact=rejected")
    with CaptureQueriesContext(connection) as many:
        browser.get(f"{LIST}?state__exact=loaded")
    assert len(many) == len(few)
    assert "Dafina Amani Counselling Office" in shown
    assert "a confidential place" in shown


def test_saying_what_a_text_means_adds_the_alias_and_loads_all_that_waited(rejected: None) -> None:
    browser, version = visitor("data_engineer"), reject_at("/3")
    page = text_of(browser, page_of(version))
    assert 'name="alias-alias" value="Quonset"' in page
    nairobi = County.objects.get(county_name="Nairobi").pk
    told = text_of(
        browser, page_of(version), {"alias-alias": "Quonset", "alias-kind": "spelling", "alias-county": str(nairobi)}
    )
    assert "2 replayed, 2 loaded, 0 still rejected" in told
    assert "Dafina Amani Counselling Office</a>" in told
    alias = PlaceAlias.objects.get(alias="Quonset")
    assert (alias.level, alias.parent_code, alias.target_code) == ("county", "", "047")
    assert Facility.objects.filter(county_id=nairobi, facility_name__startswith="Dafina").exists()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"alias-alias": "Quonset"}, "Choose one place"),
        ({"alias-alias": "12", "alias-county": "1"}, "a number is no name"),
        ({"alias-alias": "Quonset", "alias-county": "1", "alias-constituency": "1"}, "Choose one place"),
    ],
)
def test_a_form_that_says_nothing_or_too_much_adds_nothing(
    data: dict[str, str], complaint: str, rejected: None
) -> None:
    pks = {
        "alias-county": County.objects.first().pk,
        "alias-constituency": Constituency.objects.first().pk,
    }
    data = {name: str(pks.get(name, value)) for name, value in data.items()} | {"alias-kind": "spelling"}
    before = PlaceAlias.objects.count()
    assert complaint in text_of(visitor("data_engineer"), page_of(reject_at("/3")), data)
    assert PlaceAlias.objects.count() == before


def test_an_alias_for_a_protected_record_takes_a_county_and_tells_nothing_of_it(rejected: None) -> None:
    browser = visitor("data_engineer")
    version = SourceRecord.objects.get(latest_version__pointer="/8").latest_version
    shown = text_of(browser, page_of(version))
    assert "what it says is protected" in shown
    assert "alias-ward" not in shown
    assert leaks(shown) == set()
    county = County.objects.get(county_name="Mombasa").pk
    typed = {"alias-alias": SHELTER.words[1], "alias-kind": "spelling", "alias-county": str(county)}
    told = text_of(browser, page_of(version), typed)
    assert "1 loaded" in told
    assert "a confidential place</a>" in told
    assert PlaceAlias.objects.get(target_code="001", alias=SHELTER.words[1]).evidence == ""
    assert Facility.objects.get(is_confidential=True).county_id == county


def test_a_rejected_shelter_is_on_no_page_for_any_role(rejected: None) -> None:
    version = reject_at("/8")
    record = f"/admin/etl/sourcerecord/{version.source_record_id}/change/"
    pages = [BY_RULE, LIST, f"{LIST}?state__exact=rejected&rule=county-unknown", page_of(version), record,
             "/admin/etl/sourcerecord/", "/admin/core/auditentry/"]  # fmt: skip
    for role in all_or_sample(list(PEOPLE), ["viewer", "data_engineer", "superuser"]):
        browser = visitor(role)
        assert {page: leaks(text_of(browser, page)) for page in pages} == {page: set() for page in pages}, role


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "Nyumba salama"},  # a word for a shelter that no list knows
        {"service_type": "Malazi ya dharura"},
        {"facility_name": ["a list"]},
        {"confidential": "yes"},
    ],
)
def test_a_record_that_is_not_known_to_be_open_is_shown_as_little(fields: dict[str, Any], tmp_path: Path) -> None:
    records = [provider(number) for number in range(6)]
    records[2] |= {"facility_name": SHELTER.name, "contact": SHELTER.phone, "county": SHELTER.words[1],
                   "location": SHELTER.address} | fields  # fmt: skip
    write_providers(tmp_path, records)
    run_import(tmp_path, "other_services")
    version = SourceRecordVersion.objects.get(state="rejected")
    browser = visitor("data_engineer")
    for page in (page_of(version), BY_RULE, LIST, f"/admin/etl/sourcerecord/{version.source_record_id}/change/"):
        assert leaks(text_of(browser, page)) == set(), page


def test_what_a_source_lists_no_more_is_listed_with_its_file_and_a_hint(rejected: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(number) for number in range(11)])
    run_import(tmp_path, "other_services", allow_shrink=True)
    shown = text_of(visitor("viewer"), "/admin/etl/sourcerecord/?missing_since__isempty=0")
    assert "--deactivate-missing" in shown
    assert "other_services.json /11" in shown
