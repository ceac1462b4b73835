"""A reject whose place nobody knew: an alias is written, and the reject becomes a facility."""

from playwright.sync_api import expect

from tests.browser.conftest import Visit, menu
from tests.browser.site import Site

REJECTS = "SELECT count(*) FROM source_record_versions WHERE state = 'rejected'"


def test_a_reject_is_replayed_once_its_county_has_an_alias(visit: Visit, site: Site) -> None:
    rejects = site.one(REJECTS)
    page = visit("data_engineer", "/admin/geography/placealias/add/")
    page.get_by_label("Alias").fill("Western Region (other)")
    page.get_by_label("Target code").fill(site.one("SELECT county_code FROM counties WHERE county_name = 'Kakamega'"))
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="replay them").click()

    page.get_by_role("row", name="Western Region").get_by_role("checkbox").check()
    page.get_by_label("Select action to run").select_option("Replay the chosen rejects")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("1 replayed, 1 loaded, 0 still rejected")).to_be_visible()
    assert site.one(REJECTS) == rejects - 1


def test_a_reject_that_is_not_mended_stays_one(visit: Visit) -> None:
    page = visit("data_engineer")
    menu(page).get_by_role("link", name="Rejects").click()
    rule = page.get_by_role("region").filter(has_text="not-a-station ·")
    rule.get_by_role("button", name="Replay these").click()
    expect(page.get_by_text("8 still rejected")).to_be_visible()


def test_a_viewer_reads_rejects_and_has_nothing_to_replay_them_with(visit: Visit) -> None:
    page = visit("viewer")
    menu(page).get_by_role("link", name="Rejects").click()
    expect(page.get_by_role("row", name="Nationwide")).to_be_visible()
    expect(page.get_by_role("button", name="Replay")).to_have_count(0)
    page.get_by_role("link", name="All of them in one list").click()
    expect(page.get_by_role("row", name="Nationwide")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
