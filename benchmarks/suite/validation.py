"""Validation by the gate beside jsonschema alone."""

from benchmarks.options import Options
from benchmarks.report import Goal, Report, Side

AT_MOST = 10_000  # records: preparing them takes longer than validating them
GATE, ALONE = "gate, then jsonschema", "jsonschema alone"


def measure(options: Options) -> Report:
    """Return the report; the findings must be the same."""
    count = min(options.records, AT_MOST)
    delivery = options.delivery(count)
    report = Report(
        "validation",
        f"Validation of {count:,} records",
        "Every raw record against its source's schema, and every sound one against the canonical schema.",
        options.rounds,
        options.seed,
        [Side(name, count) for name in (GATE, ALONE)],
    )
    said = set()
    for _ in range(options.rounds):
        for work, name in (("gate", GATE), ("jsonschema", ALONE)):
            done = options.do(work, delivery)
            report.side(name).seconds.append(done.seconds)
            report.side(name).facts = {part: done.result[part] for part in ("instances", "findings")}
            said.add(done.result["findings_sha256"])
    report.goals = [
        Goal("times faster than jsonschema alone", report.ratio(ALONE, GATE), at_least=10),
        Goal("different sets of findings", float(len(said)), at_most=1),
    ]
    report.notes = [
        f"{report.side(GATE).facts['findings']} findings in {report.side(GATE).facts['instances']:,} instances"
    ]
    return report
