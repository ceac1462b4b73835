"""Finding a facility by place and service, reading its page and its history; contacts as each role may see them."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.pages import PAGES_BY_NAME
from tests.browser.site import Site

LIST = PAGES_BY_NAME["facilities"]
FACILITY, AS_VIEWER = PAGES_BY_NAME["facility"], PAGES_BY_NAME["facility-as-viewer"]
IN_KISUMU = "SELECT count(*) FROM facilities JOIN counties USING (county_id) WHERE county_name = 'Kisumu'"
OFFERING = """
SELECT count(*) FROM facilities f JOIN counties USING (county_id) WHERE county_name = 'Kisumu' AND EXISTS (
  SELECT FROM facility_services s JOIN service_categories c USING (service_category_id)
  WHERE s.facility_id = f.facility_id AND s.is_active AND c.category_name = %s)
"""


def rows(page: Page):
    return page.locator("#result_list tbody tr")


def narrow(page: Page, choice: str) -> None:
    page.get_by_role("button", name="Filters").click()
    page.locator("#changelist-filter").get_by_role("link", name=choice, exact=True).click()


def test_the_list_is_narrowed_by_county_then_by_service(visit: Visit, site: Site) -> None:
    page = visit("viewer", LIST.of(site))
    narrow(page, "Kisumu")
    expect(page).to_have_url(re.compile(r"county=\d+"))
    expect(rows(page)).to_have_count(site.one(IN_KISUMU))
    for row in rows(page).all():
        expect(row).to_contain_text("Kisumu")
    narrow(page, "Post-rape care")
    expect(page).to_have_url(re.compile(r"county=\d+.*service=post-rape-care|service=post-rape-care.*county=\d+"))
    expect(rows(page)).to_have_count(site.one(OFFERING, "Post-rape care"))


def test_a_name_is_searched_for_and_its_page_opened(visit: Visit, site: Site) -> None:
    page = visit("viewer", LIST.of(site))
    page.get_by_placeholder("Name, facility code").fill("Ahero Nursing")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Ahero Nursing Home").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ahero Nursing Home")
    expect(page.get_by_role("link", name="Kisumu")).to_be_visible()


def test_the_history_of_a_facility_begins_with_the_run_that_created_it(visit: Visit, site: Site) -> None:
    page = visit("viewer", AS_VIEWER.of(site))
    page.get_by_role("link", name="History").click()
    acts = page.get_by_role("main").get_by_role("region")
    expect(acts.last).to_contain_text("run 1")
    expect(acts.last).to_contain_text("Facility added")


def contacts(page: Page):
    page.get_by_role("link", name="Contacts", exact=True).click()
    return page.get_by_role("group", name="Contacts")


def test_a_viewer_sees_contacts_masked_and_an_engineer_whole(visit: Visit, site: Site) -> None:
    whole = contacts(visit("data_engineer", FACILITY.of(site))).locator("[name$=-contact_value]").first.input_value()
    assert re.fullmatch(r"\+254\d{9}", whole)
    page = visit("viewer", AS_VIEWER.of(site))
    masked = contacts(page)
    expect(masked).to_contain_text("***")
    assert whole not in page.content()


def test_a_confidential_place_has_no_name_in_the_list_and_on_its_page(visit: Visit, site: Site) -> None:
    page = visit("admin", f"{LIST.of(site)}?is_confidential__exact=1")
    count = site.one("SELECT count(*) FROM facilities WHERE is_confidential")
    expect(rows(page)).to_have_count(count)
    for row in rows(page).all():
        expect(row).to_contain_text("a confidential place")
