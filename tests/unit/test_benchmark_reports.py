"""What a benchmark says of its goals, and the page that is written from it."""

import pytest

from benchmarks.page import BEGIN, END, PAGE, with_measured
from benchmarks.report import Goal, Report, Side

MACHINE = {
    "cores": 2, "processor": "a processor", "memory_gb": 8, "system": "Linux", "python": "3.12", "postgres": "16.4",
    "date": "2026-11-24", "load_before": 0.1,
}  # fmt: skip


@pytest.fixture
def report():
    sides = [Side("the floor", 1_000, [2.0, 1.0, 9.0]), Side("batch 50", 1_000, [7.0, 6.0, 8.0], {"peak_mb": 120})]
    goals = [Goal("times the floor", 3.5, at_most=4), Goal("times faster than the first", 6.0, at_least=8)]
    return Report("imports", "Imports", "Side by side.", 3, 1, sides, goals, ["a note"])


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (Goal("", 4.0, at_most=4), True),
        (Goal("", 4.1, at_most=4), False),
        (Goal("", 8.0, at_least=8), True),
        (Goal("", 7.9, at_least=8), False),
    ],
)
def test_a_goal_holds_up_to_its_bound(goal, holds):
    assert goal.holds is holds


def test_ratios_are_those_of_medians(report):
    assert report.ratio("batch 50", "the floor") == 3.5


def test_a_report_prints_each_goal_with_its_figure_and_verdict(report):
    text = "\n".join(report.lines())
    assert "times the floor at most 4: 3.50, holds" in text
    assert "times faster than the first at least 8: 6.00, falls short" in text


def test_the_page_keeps_what_stands_outside_its_markers(report):
    page = f"by hand\n{BEGIN}\nearlier figures\n{END}\nalso by hand\n"
    written = with_measured(page, [report.as_stored(MACHINE)])
    assert written.startswith("by hand\n")
    assert written.endswith(f"{END}\nalso by hand\n")
    assert "earlier figures" not in written
    assert "| batch 50 | 7.00 (6.00 to 8.00) | 143 | 3.50 | 120 |" in written
    assert "2 cores, a processor" in written
    assert with_measured(written, [report.as_stored(MACHINE)]) == written


def test_a_page_without_markers_is_refused(report):
    with pytest.raises(ValueError, match="must hold the lines"):
        with_measured("by hand\n", [report.as_stored(MACHINE)])


def test_the_page_in_docs_has_its_markers():
    text = PAGE.read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)
