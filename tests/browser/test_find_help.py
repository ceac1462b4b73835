"""The page that the registry exists for, the map, and the front page."""

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Visit, menu
from tests.browser.site import Site

STATES_PEP = """
SELECT count(*) FROM facility_services JOIN service_categories c USING (service_category_id) WHERE c.code = 'hiv-pep'
"""


def test_help_near_a_county_is_found_on_a_phone(visit: Visit, site: Site) -> None:
    assert site.one(STATES_PEP)
    page = visit("viewer", "/admin/facilities/facility/find-help/", viewport=PHONE)
    page.get_by_label("What is needed").select_option("hiv-pep")
    page.get_by_label("County").select_option(label="Nakuru")
    page.get_by_role("button", name="Find help").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer.get_by_role("link").first).to_be_visible()
    expect(answer.get_by_text("1195")).to_be_visible()


def test_a_county_that_nobody_knows_is_said_in_words(visit: Visit) -> None:
    page = visit("viewer", "/admin/facilities/facility/find-help/?service=hiv-pep&ward=Atlantis")
    expect(page.get_by_role("alert")).to_contain_text("Atlantis")


def test_the_map_shows_what_the_list_is_narrowed_to(visit: Visit, site: Site) -> None:
    positions = site.one("SELECT count(*) FROM facility_coordinates WHERE latitude IS NOT NULL")
    page = visit("viewer")
    menu(page).get_by_role("link", name="Map").click()
    expect(page.locator(".leaflet-marker-icon").first).to_be_visible()
    expect(page.get_by_text(f"{positions} of")).to_be_visible()

    page.goto("/admin/facilities/facility/?q=dispensary")
    page.get_by_role("link", name="Map of these").click()
    expect(page.locator(".leaflet-marker-icon").first).to_be_visible()
    expect(page.get_by_text(f"{positions} of")).to_have_count(0)


def test_the_front_page_leads_to_what_lowers_a_metric(visit: Visit) -> None:
    page = visit("viewer")
    page.get_by_role("link", name="accuracy: what lowers it").click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()


def test_a_stale_contact_is_verified_by_a_call(visit: Visit, site: Site) -> None:
    verified = "SELECT count(*) FROM facility_contacts WHERE verified_at IS NOT NULL"
    before = site.one(verified)
    page = visit("data_engineer")
    menu(page).get_by_role("link", name="Stale contacts").click()
    page.get_by_role("button", name="I called").first.click()
    expect(page.get_by_text("verified").first).to_be_visible()
    assert site.one(verified) == before + 1
