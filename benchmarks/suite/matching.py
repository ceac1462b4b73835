"""Matching beside the naive double loop over each county, and how it grows; `make dedupe` measures more sizes."""

from math import log

from benchmarks.dedupe import GOAL_EXPONENT, alone, measure_naive
from benchmarks.dedupe import measure as measure_matching
from benchmarks.options import Options
from benchmarks.report import Goal, Report, Side

NAIVE_AT_MOST = 10_000  # records: the loop takes some ten seconds
TIMES_LARGER = 10
CANDIDATES, NAIVE = "candidates, exact", "the naive double loop"


def measure(options: Options) -> Report:
    """Return the report; candidates are the same pairs as the loop's."""
    small = min(options.records, NAIVE_AT_MOST)
    large = small * TIMES_LARGER
    grown = f"whole matching of {large:,}"
    report = Report(
        "matching",
        f"Matching of {small:,} records",
        "Invented records as matching sees them, county after county. The naive loop scores every pair of a county.",
        options.rounds,
        options.seed,
        [Side(CANDIDATES, small), Side(NAIVE, small), Side(f"whole matching of {small:,}", small), Side(grown, large)],
    )
    pairs = set()
    for _ in range(options.rounds):
        ours, naive, more = alone(measure_matching, small), alone(measure_naive, small), alone(measure_matching, large)
        report.side(CANDIDATES).seconds.append(ours["candidates_s"])
        report.side(NAIVE).seconds.append(naive["seconds"])
        report.side(f"whole matching of {small:,}").seconds.append(ours["seconds"])
        report.side(grown).seconds.append(more["seconds"])
        report.side(grown).facts = more
        pairs |= {ours["candidates"], naive["candidates"]}
    growth = log(report.ratio(grown, f"whole matching of {small:,}")) / log(TIMES_LARGER)
    report.goals = [
        Goal("growth exponent of matching", growth, at_most=GOAL_EXPONENT),
        Goal("different numbers of candidate pairs", float(len(pairs)), at_most=1),
    ]
    report.notes = [f"candidates {report.ratio(NAIVE, CANDIDATES):.0f} times faster than the loop"]
    return report
