"""What more worker processes bring, and whether they leave the same registry."""

from benchmarks.database import empty_registry
from benchmarks.options import Options
from benchmarks.report import Goal, Report, Side
from core.state import state_hash

COUNTS = (1, 2, 4)


def measure(options: Options) -> Report:
    """Return the report; a speed-up below 1 is one, too."""
    delivery = options.delivery(options.records)
    report = Report(
        "workers",
        f"Workers on {options.records:,} records",
        "First imports at batch 50. Peak memory is the largest process's, and what all hold together at one moment "
        "(pages that they share count for each).",
        options.rounds,
        options.seed,
        [Side(_name(count), options.records) for count in COUNTS],
    )
    states = set()
    for _ in range(options.rounds):
        for count in COUNTS:
            empty_registry()
            done = options.do("import", delivery, workers=count)
            side = report.side(_name(count))
            side.seconds.append(done.seconds)
            side.facts = {
                "peak_mb": round(done.peak_mb), "together_mb": round(done.together_mb), "processes": done.processes,
                "seconds_by_step": done.result["seconds_by_step"],
            }  # fmt: skip
            states.add(state_hash())
    report.goals = [Goal("different registries after 1, 2 and 4 workers", float(len(states)), at_most=1)]
    report.notes = [_told(report, count) for count in COUNTS]
    return report


def _name(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"


def _told(report: Report, count: int) -> str:
    facts = report.side(_name(count)).facts
    return (
        f"{_name(count)}: speed-up {report.ratio(_name(1), _name(count)):.2f}, {facts['processes']} processes,"
        f" peak {facts['peak_mb']} MB, together {facts['together_mb']} MB"
    )
