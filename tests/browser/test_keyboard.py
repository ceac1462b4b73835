"""Everything that the mouse does in the main paths is done with Tab and Enter, and one sees where one is."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit, menu
from tests.browser.pages import PAGES_BY_NAME
from tests.browser.site import Site

OUTLINE = """element => {
    const style = getComputedStyle(element);
    return element.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def tab_to(page: Page, wanted: Locator, *, within: int) -> None:
    """Press Tab until the wanted control has the focus, which is seen; fails when it takes more than `within` times."""
    for _ in range(within):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            assert wanted.evaluate(OUTLINE), "one does not see where the keyboard is"
            return
    raise AssertionError(f"{wanted} is not reached with {within} times Tab")


def test_somebody_logs_in_without_a_mouse(visit: Visit, site: Site) -> None:
    page = visit("", "/admin/login/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("viewer")
    tab_to(page, page.get_by_label("Password"), within=2)
    page.keyboard.type(site.passwords["viewer"])
    tab_to(page, page.get_by_role("button", name="Log in"), within=3)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")


def test_a_facility_is_found_without_a_mouse(visit: Visit) -> None:
    page = visit("viewer", PAGES_BY_NAME["facilities"].address)
    tab_to(page, page.get_by_role("link", name="Skip to the content"), within=1)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_placeholder("Name, facility code"), within=3)
    tab_to(page, page.get_by_role("button", name="Filters"), within=3)
    page.keyboard.press("Enter")
    panel = page.locator("#changelist-filter")
    expect(panel.get_by_role("link", name="All").first).to_be_focused()
    tab_to(page, panel.get_by_role("link", name="Baringo"), within=1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"county=\d+"))
    page.goto(PAGES_BY_NAME["facilities"].address)
    first = page.locator("#result_list tbody a").first
    tab_to(page, page.get_by_role("link", name="Skip to the content"), within=1)
    page.keyboard.press("Enter")
    tab_to(page, first, within=20)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/\d+/change/"))


def test_the_part_of_the_menu_that_is_folded_away_opens_without_a_mouse(visit: Visit) -> None:
    page = visit("viewer")
    tab_to(page, menu(page).get_by_role("button", name="Lists and people"), within=30)
    page.keyboard.press("Enter")
    expect(menu(page).get_by_role("link", name="Audit trail")).to_be_visible()
