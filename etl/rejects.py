"""The dead letters: records that were rejected, to look at, to run through the pipeline again, or to settle."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from django.db.models import QuerySet

from core.audit import acting
from core.models import User
from etl.errors import UnknownRejectError
from etl.fingerprint import pipeline_fingerprint
from etl.key_check import check_keys
from etl.ledger import ASSESSED_COLUMNS, Assessment, assess, from_stored, note_assessment, read_record
from etl.load import load_pending
from etl.lock import fenced, import_lock
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.reference import read_reference
from etl.resilience import persist
from etl.runs import close_run, open_run, running
from etl.sources import SOURCES
from etl.stages.canonical import to_canonical
from etl.stages.records import Reference, Severity
from etl.summary import Progress, RunState, summarise

State = SourceRecordVersion.State
SETTLED = {"open": [State.REJECTED], "discarded": [State.DISCARDED], "all": [State.REJECTED, State.DISCARDED]}
MOST_TRIED = 5000  # open rejects that are read again to count those that waited for a mended alias


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which rejects: by run, by source, by rule, by number; of `state` open, discarded or all."""

    run: int | None = None
    source: str = ""
    rule: str = ""
    ids: tuple[int, ...] = ()
    state: str = "open"


def find(wanted: RejectFilter) -> QuerySet[SourceRecordVersion]:
    """Return the rejected versions that no newer one replaced, oldest first; raises UnknownRejectError for a wrong number."""
    found = SourceRecordVersion.objects.filter(state__in=SETTLED[wanted.state])
    if wanted.run is not None:
        found = found.filter(run=wanted.run)
    if wanted.source:
        found = found.filter(source_record__source=wanted.source)
    if wanted.rule:
        found = found.filter(findings__contains=[{"rule": wanted.rule, "severity": Severity.REJECT.value}])
    if wanted.ids:
        found = found.filter(pk__in=wanted.ids)
        unknown = set(wanted.ids) - set(found.values_list("pk", flat=True))
        if unknown:
            message = (
                f"there is no {wanted.state} reject {min(unknown)}: `rejects list --state all` shows what there is"
            )
            raise UnknownRejectError(message)
    return found.select_related("source_record", "source_file", "run").order_by("pk")


def describe(version: SourceRecordVersion) -> dict[str, Any]:
    """Return a reject as `rejects list --json` shows it: where it stands, every finding (values masked), attempts, state."""
    return {
        "id": version.pk,
        "source": version.source_record.source,
        "run": version.run_id,
        "file": version.source_file.name,
        "pointer": version.pointer,
        "rules": list(dict.fromkeys(f["rule"] for f in version.findings if f["severity"] == Severity.REJECT.value)),
        "findings": version.findings,
        "attempts": version.attempts,
        "state": "discarded" if version.state == State.DISCARDED else "open",
    }


def discard(wanted: RejectFilter, *, user: User, session: str) -> int:
    """Return how many rejects were settled by hand; their records still count as rejected, and are not asked for again."""
    with acting(user.pk, session):
        ids = list(find(wanted).values_list("pk", flat=True))
        return SourceRecordVersion.objects.filter(pk__in=ids, state=State.REJECTED).update(state=State.DISCARDED)


def replay(
    wanted: RejectFilter, *, user: User, batch_size: int = 50, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Return the summary of a run that reads rejects again from the ledger, with the mappings and aliases of today.

    What passes now is loaded; the rest stays rejected, with the findings of today. Raises LockHeldError beside an import.
    """
    with import_lock():
        ids = list(find(wanted).values_list("pk", flat=True))
        state = RunState(open_run(ImportRun.Kind.REPLAY, user=user, options=asdict(wanted) | {"ids": ids}))
        with running(state.run):
            with state.step("reference", progress):
                persist(check_keys)
                reference = persist(read_reference)
            with state.step("pass 1", progress):
                state.read = persist(partial(_restage, ids, state.run, reference))
            with state.step("pass 2", progress):
                loaded = load_pending(
                    run=state.run, sources=list(state.read), reference=reference, batch_size=batch_size
                )
            with state.step("reconcile", progress):
                summary = persist(partial(summarise, state, list(state.read), loaded))
                if not ids:
                    summary["status"] = ImportRun.Status.SUCCEEDED.value  # nothing waited, and nothing failed
                persist(partial(close_run, state.run, status=summary["status"], summary=summary))
    return summary


def find_waiting() -> list[int]:
    """Return the open rejects that would load today, because an alias, a lookup or a mapping was mended since."""
    reference = read_reference()
    fingerprint = pipeline_fingerprint(reference)
    stale = find(RejectFilter()).exclude(fingerprint=fingerprint)[:MOST_TRIED]
    return [
        version.pk for version in stale.iterator(chunk_size=500) if not _assess_again(version, reference).is_rejected
    ]


def _restage(ids: Sequence[int], run: ImportRun, reference: Reference) -> dict[str, int]:
    """Return how many rejects of each source were read again: each is pending now, or rejected once more."""
    read: dict[str, int] = {}
    fingerprint = pipeline_fingerprint(reference)
    with fenced(run):
        chosen = SourceRecordVersion.objects.filter(pk__in=ids).select_related("source_record", "source_file")
        for version in chosen.order_by("pk").iterator(chunk_size=500):
            assessment = _assess_again(version, reference)
            version.standardised = to_canonical(assessment.record) if assessment.record else None
            version.findings = [asdict(finding) for finding in assessment.findings]
            version.fingerprint = fingerprint
            version.attempts += 1
            if not assessment.is_rejected:
                version.state = State.PENDING
            version.save(update_fields=["standardised", "findings", "fingerprint", "attempts", "state"])
            record = version.source_record
            record.last_seen_run = run
            note_assessment(record, assessment)
            record.save(update_fields=["last_seen_run", *ASSESSED_COLUMNS])
            read[record.source] = read.get(record.source, 0) + 1
    return read


def _assess_again(version: SourceRecordVersion, reference: Reference) -> Assessment:
    """Return what the pipeline makes of a stored raw record today; its key stays what it was."""
    source = SOURCES[version.source_record.source]
    item = read_record(version.source_file, from_stored(version), source)
    return assess(item.raw, item.staged, source=source, key=version.source_record.key, reference=reference)


def open_count() -> int:
    """Return how many rejects wait for a person."""
    return SourceRecord.objects.filter(latest_version__state=State.REJECTED).count()
