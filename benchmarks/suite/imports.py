"""The first import beside the floor, then the same files again, and again with 1 % changed."""

from benchmarks.database import empty_registry, row_counts, row_versions, settle
from benchmarks.options import Options
from benchmarks.processes import Done
from benchmarks.records import Written
from benchmarks.report import Goal, Report, Side

FLOOR, LARGE, SMALL, AGAIN, CHANGED = (
    "the floor", "first import, batch 500", "first import, batch 50", "no change", "1 % changed",
)  # fmt: skip


def measure(options: Options) -> Report:
    """Return the report; every import commits, into a registry that was emptied before it."""
    delivery, changed = options.delivery(options.records), options.delivery(options.records, is_changed=True)
    report = Report(
        "imports",
        f"Imports of {options.records:,} records",
        "End to end, everything on: two readings, schemas, cleaning, places, matching, encryption, ledger, load, audit, "
        "statement. "
        "The floor (benchmarks/floor.py) does the same up to the load, matches nothing and loads by COPY.",
        options.rounds,
        options.seed,
        [Side(name, options.records) for name in (FLOOR, LARGE, SMALL, AGAIN, CHANGED)],
    )
    writes = [_round(report, options, delivery, changed) for _ in range(options.rounds)]
    report.goals = [
        Goal("first import at batch 50, times the floor,", report.ratio(SMALL, FLOOR), at_most=4),
        Goal("first import at batch 500, times the floor,", report.ratio(LARGE, FLOOR), at_most=2.5),
        Goal("no-change import, times faster than the first,", report.ratio(SMALL, AGAIN), at_least=8),
        Goal("facility, child and audit rows that a no-change import writes", float(max(writes)), at_most=0),
        Goal("1 % changed, times faster than the first,", report.ratio(SMALL, CHANGED), at_least=5),
    ]
    return report


def _round(report: Report, options: Options, delivery: Written, changed: Written) -> int:
    """Return how many rows the no-change import wrote, after one import of each kind."""
    empty_registry()
    _note(report, FLOOR, options.do("floor", delivery))
    empty_registry()
    _note(report, LARGE, options.do("import", delivery, batch_size=500))
    empty_registry()
    _note(report, SMALL, options.do("import", delivery))
    before, audited = row_versions(), row_counts()["audit_trail"]
    settle()
    _note(report, AGAIN, options.do("import", delivery))
    written = [table for table, versions in row_versions().items() if versions != before[table]]
    more = abs(row_counts()["audit_trail"] - audited)
    settle()
    _note(report, CHANGED, options.do("import", changed))
    return more or len(written)  # a table that differs counts as a row at least


def _note(report: Report, name: str, done: Done) -> None:
    side = report.side(name)
    side.seconds.append(done.seconds)
    side.facts = {"peak_mb": round(done.peak_mb), "rows": row_counts()} | {
        part: done.result[part] for part in ("totals", "seconds_by_step") if part in done.result
    }
