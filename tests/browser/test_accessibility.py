"""No serious or critical finding of axe on a main page: in light and dark, on a desk and on a phone."""

import pytest

from tests.browser.accessibility import violations
from tests.browser.conftest import PHONE, Visit
from tests.browser.pages import PAGES_BY_NAME
from tests.browser.site import Site


@pytest.mark.parametrize("name", PAGES_BY_NAME)
def test_a_main_page_is_accessible_and_no_wider_than_a_phone(name: str, visit: Visit, site: Site) -> None:
    main = PAGES_BY_NAME[name]
    page = visit(main.role, main.of(site))
    found = {"light": violations(page), "dark": violations(page, is_dark=True)}
    page.set_viewport_size(PHONE)
    found |= {"phone": violations(page), "phone in the dark": violations(page, is_dark=True)}
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        found["phone"].append("the page is wider than the phone")
    assert {where: what for where, what in found.items() if what} == {}


def test_what_is_done_with_chosen_rejects_is_readable_in_the_dark(visit: Visit) -> None:
    page = visit("data_engineer", PAGES_BY_NAME["rejects"].address)
    page.get_by_role("checkbox", name="Select record").first.check()
    page.get_by_label("Select action to run").select_option("Replay the chosen rejects")
    assert violations(page) + violations(page, is_dark=True) == []
