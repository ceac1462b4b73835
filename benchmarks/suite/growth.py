"""How time and memory of a first import grow with the number of records."""

from itertools import pairwise
from math import log

from django.conf import settings

from benchmarks.database import empty_registry
from benchmarks.options import Options
from benchmarks.processes import Done
from benchmarks.report import Goal, Report, Side

WORKERS: int = settings.ETL_WORKERS


def measure(options: Options) -> Report:
    """Return the report: each size in a process of its own, its peak read while it runs."""
    report = Report(
        "growth",
        f"Growth from {min(options.sizes):,} to {max(options.sizes):,} records",
        f"First imports at batch 50 with {WORKERS} workers beside the parent, as --workers is by default here. Peak memory is the"
        " largest process's, and what all held together at one moment; PostgreSQL's own is not counted.",
        options.rounds,
        options.seed,
        [Side(_name(size), size) for size in options.sizes],
    )
    for _ in range(options.rounds):
        for size in options.sizes:
            empty_registry()
            _note(report.side(_name(size)), options.do("import", options.delivery(size), workers=WORKERS))
    first, last = report.sides[0], report.sides[-1]
    report.goals = [
        Goal("growth exponent of the total time", _exponent(first, last), at_most=1.15),
        Goal("peak memory, largest size by smallest,", last.facts["peak_mb"] / first.facts["peak_mb"], at_most=1.5),
        Goal("peak memory in MB at the largest size", last.facts["peak_mb"], at_most=float(settings.ETL_MAX_MEMORY_MB)),
    ]
    report.notes = [
        f"{one.name} to {other.name}: exponent {_exponent(one, other):.2f}, peaks {one.facts['peak_mb']:.0f} and"
        f" {other.facts['peak_mb']:.0f} MB, together {one.facts['together_mb']:.0f} and {other.facts['together_mb']:.0f} MB"
        for one, other in pairwise(report.sides)
    ]
    return report


def _name(size: int) -> str:
    return f"{size:,} records"


def _note(side: Side, done: Done) -> None:
    side.seconds.append(done.seconds)
    side.facts = {
        "peak_mb": max(done.peak_mb, side.facts.get("peak_mb", 0.0)),
        "together_mb": max(done.together_mb, side.facts.get("together_mb", 0.0)),
        "seconds_by_step": done.result["seconds_by_step"],
    }


def _exponent(one: Side, other: Side) -> float:
    return log(other.median / one.median) / log(other.records / one.records)
