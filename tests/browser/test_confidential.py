"""One value of a confidential place is revealed to safeguarding, with a reason, and is gone with the page."""

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.pages import known
from tests.browser.site import Site

SEEN = "SELECT count(*) FROM access_log WHERE action = 'reveal' AND result = 'allowed'"


def test_a_safeguarding_lead_reveals_one_value_and_it_is_written_down(visit: Visit, site: Site) -> None:
    seen = site.one(SEEN)
    page = visit("safeguarding_lead", f"/admin/facilities/facility/{known(site)['confidential']}/change/")
    expect(page.get_by_text("+254")).to_have_count(0)
    page.get_by_role("link", name="Reveal, correct or lower").click()
    page.get_by_label("Value", exact=True).select_option("Name")
    page.get_by_label("Reason (it is kept in the access log)").fill("a referral that was asked for today")
    page.get_by_role("button", name="Reveal").click()
    revealed = page.get_by_role("region", name="Revealed")
    expect(revealed.get_by_role("heading", name="Name")).to_be_visible()
    assert site.one(SEEN) == seen + 1
    page.goto(page.url)
    expect(revealed).to_have_count(0)


def test_nobody_else_is_offered_to_reveal(visit: Visit, site: Site) -> None:
    for role in ("data_engineer", "admin"):
        page = visit(role, f"/admin/facilities/facility/{known(site)['confidential']}/protected/")
        expect(page.get_by_role("button", name="Ask to lower its protection")).to_be_visible()
        expect(page.get_by_role("button", name="Reveal")).to_have_count(0)
