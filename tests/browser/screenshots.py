"""Photographs the main pages into docs/images, at a desk and on a phone: `make screenshots`. No test, and run by name only."""

from pathlib import Path

import pytest

from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.pages import PAGES_BY_NAME
from tests.browser.site import Site

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LARGEST = 300_000  # bytes
ON_A_PHONE = {"overview", "find-help", "report"}
PICTURED = (
    "overview", "find-help", "stale-contacts", "map", "facilities", "facility", "duplicate", "rejects-by-rule", "run",
    "report", "import-now",
)  # fmt: skip


@pytest.mark.parametrize("name", PICTURED)
def test_photograph(name: str, visit: Visit, site: Site) -> None:
    main = PAGES_BY_NAME[name]
    page = visit(main.role, main.of(site))
    for suffix, viewport in {"": DESKTOP, **({"-phone": PHONE} if name in ON_A_PHONE else {})}.items():
        page.set_viewport_size(viewport)
        page.goto(page.url)  # anew: the menu folds when a page opens
        page.evaluate("document.fonts.ready")
        path = IMAGES / f"{name}{suffix}.png"
        page.screenshot(path=path)
        assert path.stat().st_size < LARGEST, f"{path.name} is too large for the repository"
