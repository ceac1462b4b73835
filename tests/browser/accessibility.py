"""What axe-core finds on a page, and the findings that are known and why each stays."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
THEME = "theme => { Alpine.$data(document.documentElement).adminTheme = theme }"  # as the switch in the menu does
# colours that change slowly are there at once
RUN = """options => document.getAnimations().filter(one => one.effect.getComputedTiming().endTime !== Infinity)
    .forEach(one => one.finish()) || axe.run(document, options).then(found => found.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .flatMap(one => one.nodes.map(node => `${one.id}: ${node.target.join(" ")} ${node.html.slice(0, 200)}`)))"""
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
ALL: dict[str, Any] = {"resultTypes": ["violations"]}

# "rule: how its finding begins" -> why it stays. One line for one thing, never a rule as a whole.
EXCEPTIONS: dict[str, str] = {}


def violations(page: Page, *, is_dark: bool = False) -> list[str]:
    """Return axe's serious and critical findings but for the exceptions; in the dark only colours differ."""
    theme = "dark" if is_dark else "light"
    if page.evaluate("'Alpine' in window"):
        page.evaluate(THEME, theme)
        expect(page.locator("html")).to_have_class(theme)
    else:  # a report, which has no script and follows the machine
        page.emulate_media(color_scheme=theme)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN, COLOURS if is_dark else ALL)
    return [finding for finding in found if not finding.startswith(tuple(EXCEPTIONS))]
