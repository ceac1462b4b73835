"""The dead letters: records that were rejected, to look at, to run through the pipeline again, or to settle."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import batched
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from core.key_guard import check_keys
from core.models import User
from etl.assessment import Assessment, ReadRecord, from_stored, read_record
from etl.entries import assess_record
from etl.errors import UnknownRejectError
from etl.exported import reject_repeated
from etl.fingerprint import pipeline_fingerprint
from etl.ledger import append_versions, fall_back
from etl.load import load_pending
from etl.lock import fenced, import_lock
from etl.models import ImportRun, SourceRecordVersion
from etl.reference import read_reference
from etl.resilience import with_retries
from etl.runs import close_run, open_run, running
from etl.sources import EVERY_SOURCE, EXPORTED
from etl.stages.records import Reference, Severity
from etl.summary import Progress, RunState, summarise
from geography.names import place_key

State = SourceRecordVersion.State
STATES = {"open": [State.REJECTED], "discarded": [State.DISCARDED], "all": [State.REJECTED, State.DISCARDED]}
MOST_TRIED = 5000  # open rejects that are read again to count those that waited for a mended alias
MOST_TRIED_AT_ONCE = 200  # the same inside the request that saves it


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which rejects: by run, by source, by rule, by number (of the source record, which stays); open, discarded or all."""

    run: int | None = None
    source: str = ""
    rule: str = ""
    ids: tuple[int, ...] = ()
    state: str = "open"


def find(wanted: RejectFilter) -> QuerySet[SourceRecordVersion]:
    """Return the rejected versions that no newer one replaced, oldest first; raises UnknownRejectError for a wrong number."""
    found = SourceRecordVersion.objects.filter(state__in=STATES[wanted.state])
    if wanted.run is not None:
        found = found.filter(run=wanted.run)
    if wanted.source:
        found = found.filter(source_record__source=wanted.source)
    if wanted.rule:
        found = found.filter(findings__contains=[{"rule": wanted.rule, "severity": Severity.REJECT.value}])
    if wanted.ids:
        found = found.filter(source_record__in=wanted.ids)
        unknown = set(wanted.ids) - set(found.values_list("source_record", flat=True))
        if unknown:
            message = (
                f"there is no {wanted.state} reject {min(unknown)}: `rejects list --state all` shows what there is"
            )
            raise UnknownRejectError(message)
    return found.select_related("source_record", "source_file", "run").order_by("pk")


def describe(version: SourceRecordVersion) -> dict[str, Any]:
    """Return a reject as `rejects list --json` shows it: where it stands, every finding (values masked), attempts, state."""
    return {
        "id": version.source_record_id,
        "source": version.source_record.source,
        "run": version.run_id,
        "file": version.source_file.name,
        "pointer": version.pointer,
        "rules": list(dict.fromkeys(f["rule"] for f in version.findings if f["severity"] == Severity.REJECT.value)),
        "findings": version.findings,
        "attempts": version.attempts,
        "state": "discarded" if version.state == State.DISCARDED else "open",
    }


def discard(wanted: RejectFilter, *, user: User) -> int:
    """Return how many rejects were settled by hand; their records still count as rejected, and are not asked for again."""
    found = SourceRecordVersion.objects.filter(pk__in=find(wanted).values("pk"), state=State.REJECTED)
    return found.update(state=State.DISCARDED, settled_by=user, settled_at=timezone.now())


def replay(
    wanted: RejectFilter, *, user: User, batch_size: int = 50, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Return the summary of a run that reads rejects again from the ledger, with the mappings and aliases of today.

    What passes now is loaded; the rest stays rejected, with the findings of today. Raises LockHeldError beside an import.
    """
    with import_lock():
        with_retries(check_keys)
        ids = list(find(wanted).values_list("pk", flat=True))  # of versions
        state = RunState(open_run(ImportRun.Kind.REPLAY, user=user, options=asdict(wanted)))
        with running(state.run):
            with state.step("reference", progress):
                reference = with_retries(read_reference)
            with state.step("pass 1", progress):
                state.read = with_retries(partial(_restage, ids, state.run, reference))
            with state.step("pass 2", progress):
                load_pending(run=state.run, sources=list(state.read), reference=reference, batch_size=batch_size)
            with state.step("reconcile", progress):
                summary = with_retries(partial(summarise, state, list(state.read)))
                if not ids:
                    summary["status"] = ImportRun.Status.SUCCEEDED.value  # nothing waited, and nothing failed
                with_retries(partial(close_run, state.run, status=summary["status"], summary=summary))
    return summary


def find_waiting(wanted: RejectFilter = RejectFilter()) -> list[int]:
    """Return the numbers of the rejects that would load today, since an alias, a lookup or a mapping was mended."""
    reference = read_reference()
    fingerprint = pipeline_fingerprint(reference)
    stale = find(wanted).exclude(fingerprint=fingerprint)[:MOST_TRIED]
    versions = stale.iterator(chunk_size=500)
    return [v.source_record_id for v in versions if not _assess_again(v, reference).is_rejected]


def find_waiting_for(text: str) -> list[int]:
    """Return the numbers of the rejects without a county that would load today and may have waited for this spelling.

    Read again are those whose finding quotes the text, or quotes nothing: MOST_TRIED_AT_ONCE at most.
    """
    place = place_key(text)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTIES_GIVEN, [State.REJECTED, Severity.REJECT.value])
        fitting = sorted(pk for pk, given in cursor.fetchall() if _may_say(given or "", place))
    return _would_load(find(RejectFilter()).filter(pk__in=fitting[:MOST_TRIED_AT_ONCE]))


_COUNTIES_GIVEN = """
SELECT v.version_id, f->>'value' FROM source_record_versions v CROSS JOIN LATERAL jsonb_array_elements(v.findings) AS f
WHERE v.state = %s AND f->>'severity' = %s AND f->>'rule' = 'county-unknown'
"""


def find_waiting_for_lists() -> list[int]:
    """Return the numbers of the rejects that a row of a list held up and that would load today: MOST_TRIED_AT_ONCE at most."""
    return _would_load(find(RejectFilter(rule="lookup-unknown"))[:MOST_TRIED_AT_ONCE])


def _may_say(given: str, place: str) -> bool:
    """Return whether a record may have written a place: its finding quotes it, was cut, or quotes nothing."""
    return not given or given.endswith("\N{HORIZONTAL ELLIPSIS}") or place in place_key(given)


def _would_load(versions: QuerySet[SourceRecordVersion]) -> list[int]:
    reference = read_reference()
    return [v.source_record_id for v in versions if not _assess_again(v, reference).is_rejected]


def _restage(ids: Sequence[int], run: ImportRun, reference: Reference) -> dict[str, int]:
    """Return how many rejects of each source were read again: each has a new version, pending or rejected once more."""
    fingerprint = pipeline_fingerprint(reference)
    rejected = SourceRecordVersion.objects.filter(pk__in=ids).select_related("source_record", "source_file")
    read = Counter(rejected.values_list("source_record__source", flat=True))
    with fenced(run):
        for name in read:
            of_source = rejected.filter(source_record__source=name).exclude(source_record__last_seen_run=run)
            for chunk in batched(of_source.order_by("pk").iterator(chunk_size=500), 500):
                fresh = [(version.source_record, _read_again(version)) for version in chunk]
                append_versions(fresh, run, EVERY_SOURCE[name], reference, fingerprint)
        if EXPORTED in read:
            fall_back(reject_repeated())
    return dict(read)


def _read_again(version: SourceRecordVersion) -> ReadRecord:
    """Return a stored raw record as it was read; its key and its content are what they were."""
    version.source_record.latest_version = version
    item = read_record(version.source_file_id, from_stored(version), EVERY_SOURCE[version.source_record.source])
    return replace(item, key=version.source_record.key, content_hash=version.content_hash)


def _assess_again(version: SourceRecordVersion, reference: Reference) -> Assessment:
    """Return what the pipeline makes of a stored raw record today."""
    source, item = EVERY_SOURCE[version.source_record.source], _read_again(version)
    return assess_record(item, source=source, reference=reference)
