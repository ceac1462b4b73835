"""The pipeline beside what one would use instead: django-import-export, and update_or_create() row by row."""

from benchmarks.database import empty_registry, row_counts
from benchmarks.options import Options
from benchmarks.report import Goal, Report, Side

OURS, FLOOR = "GVRC Admin, everything on", "the floor"
PEERS = {
    "import": OURS,
    "floor": FLOOR,
    "import_export_tuned": "django-import-export, bulk, tuned",
    "import_export_bulk": "django-import-export, bulk",
    "import_export": "django-import-export",
    "update_or_create": "update_or_create, row by row",
}


def measure(options: Options) -> Report:
    """Return the report: all load the same delivery, the peers only its sound records, cleaned beforehand."""
    delivery = options.delivery(options.peer_records)
    report = Report(
        "peers",
        f"Peers on {options.peer_records:,} records",
        "The peers are given clean, flat records before the clock starts, and load facilities, contacts, services and positions "
        "alone: no reading, no validation, no matching, no ledger. The audit triggers and sealed columns are the same. "
        "The floor (benchmarks/floor.py) does what we do but for matching, and loads by COPY: no import of ours is faster. "
        '"Tuned" is bulk mode without diffs, with existing rows and lookups read at once.',
        options.rounds,
        options.seed,
        [Side(name, options.peer_records) for name in PEERS.values()],
    )
    for _ in range(options.rounds):
        for work, name in PEERS.items():
            empty_registry()
            done = options.do(work, delivery)
            report.side(name).seconds.append(done.seconds)
            report.side(name).facts = {"rows": row_counts(), "totals": done.result["totals"]}
    report.goals = [
        Goal("times faster than django-import-export", report.ratio(PEERS["import_export"], OURS), at_least=25),
        Goal("times faster than its bulk mode", report.ratio(PEERS["import_export_bulk"], OURS), at_least=12),
    ]
    against = PEERS["import_export"], PEERS["import_export_bulk"]
    plain, bulk = (report.ratio(peer, FLOOR) for peer in against)
    report.notes = [
        f"the floor itself is {plain:.1f} times faster than django-import-export, {bulk:.1f} than its bulk mode"
    ]
    return report
