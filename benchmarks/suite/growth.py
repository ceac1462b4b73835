"""How time and memory of a first import grow with the number of records."""

from itertools import pairwise
from math import log

from django.conf import settings

from benchmarks.database import empty_registry
from benchmarks.options import Options
from benchmarks.processes import Done
from benchmarks.report import Goal, Report, Side

LIMIT_MB = 512.0  # ETL_MAX_MEMORY_MB, where the setting is not there


def measure(options: Options) -> Report:
    """Return the report: each size in a process of its own, its peak read while it runs."""
    report = Report(
        "growth",
        f"Growth from {min(options.sizes):,} to {max(options.sizes):,} records",
        "First imports at batch 50, one process. Peak memory is the largest process's; PostgreSQL's own is not counted.",
        options.rounds,
        options.seed,
        [Side(_name(size), size) for size in options.sizes],
    )
    for _ in range(options.rounds):
        for size in options.sizes:
            empty_registry()
            _note(report.side(_name(size)), options.do("import", options.delivery(size)))
    first, last = report.sides[0], report.sides[-1]
    limit = float(getattr(settings, "ETL_MAX_MEMORY_MB", LIMIT_MB))
    report.goals = [
        Goal("growth exponent of the total time", _exponent(first, last), at_most=1.15),
        Goal("peak memory, largest size by smallest,", last.facts["peak_mb"] / first.facts["peak_mb"], at_most=1.5),
        Goal("peak memory in MB at the largest size", last.facts["peak_mb"], at_most=limit),
    ]
    report.notes = [
        f"{one.name} to {other.name}: exponent {_exponent(one, other):.2f}, peaks {one.facts['peak_mb']:.0f} and"
        f" {other.facts['peak_mb']:.0f} MB"
        for one, other in pairwise(report.sides)
    ]
    return report


def _name(size: int) -> str:
    return f"{size:,} records"


def _note(side: Side, done: Done) -> None:
    side.seconds.append(done.seconds)
    side.facts = {
        "peak_mb": max(done.peak_mb, side.facts.get("peak_mb", 0.0)),
        "seconds_by_step": done.result["seconds_by_step"],
    }


def _exponent(one: Side, other: Side) -> float:
    return log(other.median / one.median) / log(other.records / one.records)
