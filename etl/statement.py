"""A run's statement, computed from the database: outcomes by source, rows by table, and the books that must balance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Count

from core.models import AuditEntry
from etl.errors import UnbalancedBooksError
from etl.lock import session_of
from etl.models import DuplicatePair, ImportRun, SourceRecord, SourceRecordVersion
from etl.registry_facts import OUTCOMES
from etl.shown_records import read_kinds, show
from etl.sources import ENTERED


def outcomes_by_source(run: ImportRun, read: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return, for each source that was read, its records by outcome in this run; raises UnbalancedBooksError.

    `read` is what the extract stage counted; read = created + updated + unchanged + merged + rejected must hold.
    """
    counted: dict[str, Counter[str]] = {source: Counter() for source in read}
    of_run = SourceRecord.objects.filter(last_seen_run=run, source__in=read)
    seen = of_run.values_list("source", "outcome").annotate(n=Count("pk"))
    for source, outcome, count in seen:
        counted[source][outcome] = count
    gone = SourceRecord.objects.filter(
        source__in=read, missing_since__isnull=False, latest_version__isnull=False
    ).values_list("source")
    missing = dict(gone.annotate(n=Count("pk")))
    for source, records in read.items():
        if sum(counted[source][outcome] for outcome in OUTCOMES) != records:
            message = f"{source}: {records} records were read, but {dict(counted[source])} came of them; report this as a fault"
            raise UnbalancedBooksError(message)
    return {
        source: {"read": records, **{o: counted[source][o] for o in OUTCOMES}, "missing": missing.get(source, 0)}
        for source, records in read.items()
    }


def find_rejects(run: ImportRun, most: int) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Return how many records this run rejected by rule, the commonest first, and the first of them.

    Each with its file, its pointer, and rule, message and hint of its first reject: everybody reads a run's report, so it
    quotes no record but those that are known to be open.
    """
    rejected = SourceRecord.objects.filter(last_seen_run=run, outcome="rejected").values("latest_version")
    versions = SourceRecordVersion.objects.filter(pk__in=rejected).order_by("pk")
    by_rule: Counter[str] = Counter()
    for findings in versions.values_list("findings", flat=True).iterator():
        by_rule[_first_reject(findings)["rule"]] += 1
    listed = versions.select_related("source_record__facility", "source_file").defer("raw")[:most]
    kinds = read_kinds()
    found: list[dict[str, str]] = []
    for version in listed:
        shown = show(version, kinds)
        told = {part: _first_reject(shown.findings)[part] for part in ("rule", "message", "hint")}
        found.append({"file": version.source_file.name, "pointer": shown.pointer, **told})
    return dict(by_rule.most_common()), found


def _first_reject(findings: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(finding for finding in findings if finding["severity"] == "reject")


def find_missing(sources: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return records that these sources listed once and list no more: source, last file and pointer, facility code."""
    gone = SourceRecord.objects.filter(source__in=sources, missing_since__isnull=False, latest_version__isnull=False)
    rows = gone.order_by("source", "key", "occurrence").values_list(
        "source",
        "latest_version__source_file__name",
        "latest_version__pointer",
        "facility__facility_code",
        "missing_since",
    )
    return [
        {"source": source, "file": name, "pointer": pointer, "facility_code": code or "", "since_run": run}
        for source, name, pointer, code, run in rows[:most]
    ]


def count_pins_kept(run: ImportRun) -> int:
    """Return how many records the run loaded whose facility keeps something that a person set instead of their word."""
    return SourceRecordVersion.objects.filter(loaded_in=run, findings__contains=[{"rule": "pin-kept"}]).count()


def count_to_review(run: ImportRun) -> int:
    """Return how many pairs the run, all its attempts, put up for review."""
    return DuplicatePair.objects.filter(run=run, decision=DuplicatePair.Decision.TO_REVIEW).count()


def count_rows() -> dict[str, int]:
    """Return how many rows each table has that an import writes, or must leave alone, all at one moment."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ROWS)
        return {name: int(count) for name, count in cursor.fetchall()}


_COUNT_ROWS = """
SELECT 'facilities', count(*) FROM facilities
UNION ALL SELECT 'facility_contacts', count(*) FROM facility_contacts
UNION ALL SELECT 'facility_services', count(*) FROM facility_services
UNION ALL SELECT 'facility_coordinates', count(*) FROM facility_coordinates
UNION ALL SELECT 'source_records', count(*) FROM source_records
UNION ALL SELECT 'source_record_versions', count(*) FROM source_record_versions
UNION ALL SELECT 'duplicate_pairs', count(*) FROM duplicate_pairs
UNION ALL SELECT 'counties', count(*) FROM counties
UNION ALL SELECT 'constituencies', count(*) FROM constituencies
UNION ALL SELECT 'wards', count(*) FROM wards
"""


def reconcile_rows(run: ImportRun) -> dict[str, dict[str, int]]:
    """Return the rows of each table before and after a run; raises UnbalancedBooksError where they do not add up.

    Facilities must have grown by those created, unless somebody else added some meanwhile, and the ledger by the records and
    the versions of this run.
    """
    after = count_rows()
    before: dict[str, int] = run.rows_before or after  # a run of an earlier version, resumed, knows nothing
    created = SourceRecord.objects.filter(last_seen_run=run, outcome=SourceRecord.Outcome.CREATED)
    expected = {
        # also of a source that an earlier attempt loaded, and whose file changed before the run went on
        "facilities": created.exclude(source=ENTERED).count(),
        # a person may have decided about duplicates before the run went on: that notes what persons entered
        "source_records": SourceRecord.objects.filter(first_seen_run__gte=run.pk).count(),
        "source_record_versions": SourceRecordVersion.objects.filter(run=run).count(),
    }
    for table, grown in expected.items() if run.rows_before else ():
        if after[table] - before[table] != grown and not (table == "facilities" and _others_wrote(run)):
            message = f"{table}: {before[table]} rows before, {after[table]} after, but {grown} were added"
            raise UnbalancedBooksError(f"{message}; report this as a fault")
    return {name: {"before": before[name], "after": count} for name, count in after.items()}


def _others_wrote(run: ImportRun) -> bool:
    """Return whether anybody else added or deleted a facility since a minute before the run: a page may have been at it."""
    others = AuditEntry.objects.exclude(session_id=session_of(run)).exclude(operation="UPDATE")
    return others.filter(table_name="facilities", changed_at__gte=run.started_at - timedelta(minutes=1)).exists()
