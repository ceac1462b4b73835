"""Two facilities that are one become one, and two again."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, menu
from tests.browser.site import Site


def test_a_pair_is_merged_and_split_again(visit: Visit, site: Site) -> None:
    facilities = site.one("SELECT count(*) FROM facilities")
    page = visit("data_engineer")
    menu(page).get_by_role("link", name="Possible duplicates").click()
    page.locator("#result_list tbody a").first.click()
    expect(page.get_by_role("table", name="The two side by side")).to_be_visible()
    address = page.url
    page.get_by_role("button", name="Merge: one place").click()
    expect(page.get_by_text("merged into GVRC-")).to_be_visible()
    assert site.one("SELECT count(*) FROM facilities") == facilities - 1

    page.goto(address)
    expect(page.get_by_text("Both records stand for one facility")).to_be_visible()
    page.get_by_role("button", name="Split: two places, for good").click()
    expect(page.get_by_text("taken out of GVRC-")).to_be_visible()
    assert site.one("SELECT count(*) FROM facilities") == facilities


def test_a_viewer_compares_a_pair_but_decides_nothing(visit: Visit) -> None:
    page = visit("viewer", "/admin/etl/duplicatepair/?decision__exact=merged")
    page.locator("#result_list tbody a").first.click()
    expect(page.get_by_role("table", name="The two side by side")).to_be_visible()
    assert decisions(page) == 0


def decisions(page: Page) -> int:
    return page.locator("button[name=decision]").count()
