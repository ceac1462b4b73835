"""Who logs in, what the site offers each role then, and what a wrong password gets."""

import pytest
from playwright.sync_api import Page, expect

from core.roles import ROLES
from tests.browser.conftest import Visit, log_in, menu
from tests.browser.site import Site

FOR_EVERYBODY = {"Facilities", "Runs", "Rejects", "Possible duplicates", "Audit trail"}
FOR_SOME = {"Approvals", "Access log", "Users", "Roles"}
OFFERED = {"admin": FOR_SOME, "safeguarding_lead": {"Approvals", "Access log"}}


@pytest.mark.parametrize("role", ROLES)
def test_everybody_logs_in_and_is_offered_what_the_role_may(role: str, visit: Visit, site: Site) -> None:
    page = visit("", "/admin/login/")
    log_in(page, role, site.passwords[role])
    offered = offers(page)
    assert offered >= FOR_EVERYBODY
    assert offered & FOR_SOME == OFFERED.get(role, set())


def offers(page: Page) -> set[str]:
    """Return the titles of the menu's links, those of the part that is folded away, too."""
    menu(page).get_by_role("button", name="Lists and people").click()
    expect(menu(page).get_by_role("link", name="Facility types")).to_be_visible()
    return {link.inner_text().split("\n")[-1].strip() for link in menu(page).get_by_role("link").all()}


def test_a_wrong_password_says_so_and_the_right_one_still_opens(visit: Visit, site: Site) -> None:
    page = visit("", "/admin/login/")
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()
    log_in(page, "viewer", site.passwords["viewer"])
    expect(menu(page)).to_be_visible()


def test_a_stranger_is_led_to_the_login_and_from_there_to_the_page(visit: Visit, site: Site) -> None:
    page = visit("", "/admin/facilities/facility/")
    expect(page).to_have_title("Log in | GVRC Admin")
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill(site.passwords["viewer"])
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site.address}/admin/facilities/facility/")


def test_who_may_not_manage_users_is_told_so(visit: Visit, watch) -> None:
    watch.refusals_expected = True
    page = visit("viewer", "/admin/core/user/")
    expect(page.get_by_role("heading", name="Not for your role")).to_be_visible()


def test_the_menu_of_people_leads_out(visit: Visit, site: Site) -> None:
    page = visit("")
    log_in(page, "viewer", site.passwords["viewer"])  # a session of its own: that of the others goes on
    page.locator("#nav-sidebar").get_by_text("viewer", exact=True).click()
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin/")
    expect(page).to_have_title("Log in | GVRC Admin")
