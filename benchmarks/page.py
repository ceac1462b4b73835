"""`python -m benchmarks.page`: writes what was measured into docs/performance.md, between its two markers.

It reads every report of var/bench, so that runs of several sizes and seeds stand on one page. What stands outside the markers
is written by hand and stays.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE, RESULTS = ROOT / "docs" / "performance.md", ROOT / "var" / "bench"
BEGIN = "<!-- measured: `make bench` and `make bench-page` write what follows; write below the end marker -->"
END = "<!-- measured: end -->"
ORDER = ("imports", "peers", "validation", "matching", "growth", "workers")
Stored = dict[str, Any]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the reports (default var/bench)")
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().results.glob("*.json")]
    if not reports:
        parser.error("nothing was measured yet: run `make bench` first")
    PAGE.write_text(with_measured(PAGE.read_text(encoding="utf-8"), reports), encoding="utf-8")
    print(f"{len(reports)} reports written to docs/{PAGE.name}")


def with_measured(page: str, reports: Sequence[Stored]) -> str:
    """Return a page with these reports between its markers; raises ValueError where it lacks one of them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"the page must hold the lines '{BEGIN}' and '{END}'"
        raise ValueError(message)
    ordered = sorted(reports, key=lambda report: (ORDER.index(report["name"]), _largest(report), report["seed"]))
    return f"{before}{BEGIN}\n\n{'\n'.join(_summary(ordered))}\n{'\n'.join(map(_section, ordered))}\n{END}{after}"


def _largest(report: Stored) -> int:
    return max(int(side["records"]) for side in report["sides"])


def _summary(reports: Sequence[Stored]) -> Iterator[str]:
    """Yield the goals of all reports as one table."""
    yield from ("## Goals", "", "| goal | bound | measured | |", "|---|---|---|---|")
    for report in reports:
        for goal in report["goals"]:
            words = f"{_title(report)}: {goal['words'].rstrip(',')}"
            yield f"| {words} | {goal['bound']} | {_number(goal['figure'])} | {goal['verdict']} |"


def _section(report: Stored) -> str:
    return "\n".join(["", f"## {_title(report)}", "", report["about"], "", *_table(report), "", *_remarks(report)])


def _title(report: Stored) -> str:
    return report["title"] if report["seed"] == 1 else f"{report['title']}, seed {report['seed']}"


def _table(report: Stored) -> Iterator[str]:
    sides = report["sides"]
    has_peak = any("peak_mb" in side["facts"] for side in sides)
    yield f"| | seconds | records a second | times the first row |{' peak MB |' if has_peak else ''}"
    yield f"|---|---|---|---|{'---|' if has_peak else ''}"
    for side in sides:
        row = f"| {side['name']} | {side['median']:.2f} ({min(side['seconds']):.2f} to {max(side['seconds']):.2f})"
        row += f" | {side['records'] / side['median']:,.0f} | {side['median'] / sides[0]['median']:.2f} |"
        yield f"{row} {side['facts'].get('peak_mb', 0):.0f} |" if has_peak else row


def _remarks(report: Stored) -> Iterator[str]:
    for side in report["sides"]:
        if steps := side["facts"].get("seconds_by_step"):
            yield f"- {side['name']}, by step: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in steps.items())}"
    yield from (f"- {note}" for note in report["notes"])
    yield f"- {_machine(report['machine'])}; medians of {report['rounds']} rounds in alternation, seed {report['seed']}."


def _machine(machine: Stored) -> str:
    return (
        f"Measured on {machine['date']}: {machine['cores']} cores, {machine['processor']}, {machine['memory_gb']} GB,"
        f" {machine['system']}, Python {machine['python']}, PostgreSQL {machine['postgres']}, load before"
        f" {machine['load_before']}"
    )


def _number(figure: float) -> str:
    return f"{figure:.0f}" if figure == int(figure) else f"{figure:.2f}"


if __name__ == "__main__":
    main()
