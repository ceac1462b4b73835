"""Pass 1: a source's record stream becomes versions in the ledger, pending or rejected; nothing else is touched."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import batched
from time import perf_counter

import structlog
from django.conf import settings

from core.bulk import copy_in, take_ids
from core.crypto import Unreadable
from etl.assessment import Assessment, Entry, FoundBy, ReadRecord, from_stored, read_record
from etl.chunks import Arrival, Stream, read_arrival, read_chunks, read_chunks_by
from etl.entries import assess_record, entry_of, found_by
from etl.exported import reject_repeated, stand_for_codes
from etl.known import KnownRecord, known_as_they_are
from etl.lock import fenced
from etl.models import ImportRun, SourceFile, SourceRecord, SourceRecordVersion
from etl.resilience import isolate, refused_by_database
from etl.sources import EVERY_SOURCE, EXPORTED, Source
from etl.stages.canonical import from_canonical
from etl.stages.records import Reference
from etl.workers import ALONE, Crew

log = structlog.get_logger(__name__)
PORTION = 500  # records that are gone
Outcome, State = SourceRecord.Outcome, SourceRecordVersion.State


def stage_source(
    stream: Stream,
    *,
    run: ImportRun,
    source: Source,
    reference: Reference,
    fingerprint: str,
    crew: Crew = ALONE,
) -> int:
    """Return how many records of a source were staged: all of them, or none where the stream raises.

    Each new or changed record appends a version; an unchanged one is only marked as seen in this run, and one that the
    ledger knows but the source lists no more as missing. What this run staged before stays: it was resumed, or the reply to
    its COMMIT was lost.
    """
    with fenced(run):
        files = SourceFile.objects.filter(run=run, source=source.name)
        if files and all(file.is_staged for file in files):
            return sum(file.records for file in files)
        is_listed = SourceRecord.objects.filter(source=source.name).exists()
        if _is_worth(crew, source, files):
            chunks = read_chunks_by(crew, stream, source=source, fingerprint=fingerprint, is_listed=is_listed)
        else:
            chunks = read_chunks(stream, is_listed=is_listed)
        count = _stage_chunks(chunks, run, source, reference, fingerprint)
        _note_missing(run, source)
        if source.name == EXPORTED:
            fall_back(reject_repeated())
        files.update(is_staged=True)
    return count


def _note_missing(run: ImportRun, source: Source) -> None:
    """Mark the records that the source lists no more; what an interrupted run staged of them will not be loaded."""
    unseen = SourceRecord.objects.filter(source=source.name).exclude(last_seen_run=run).values_list("pk", flat=True)
    # by their numbers: joined, a plan made before the tables grew may be quadratic
    for numbers in batched(unseen.iterator(), PORTION):
        waiting = SourceRecordVersion.objects.filter(source_record__in=numbers, state=State.PENDING)
        overtaken = list(waiting.values_list("source_record", flat=True))
        if overtaken:
            waiting.update(state=State.UNDONE)
            records = list(SourceRecord.objects.filter(pk__in=overtaken).select_related("good_version__source_file"))
            for record in records:
                record.latest_version, record.outcome = record.good_version, Outcome.UNDONE
            fall_back(records)
        gone = SourceRecord.objects.filter(pk__in=numbers, missing_since__isnull=True, latest_version__isnull=False)
        gone.update(missing_since=run)


def _is_worth(crew: Crew, source: Source, files: Iterable[SourceFile]) -> bool:
    """Return whether workers read a source; an export's records are looked up by their codes before they are entries."""
    return (
        not crew.is_alone
        and source.name != EXPORTED
        and sum(file.records for file in files) >= settings.ETL_WORTH_WORKERS
    )


def _stage_chunks(
    chunks: Iterable[Sequence[Arrival]], run: ImportRun, source: Source, reference: Reference, fingerprint: str
) -> int:
    def stage(items: Sequence[Arrival]) -> None:
        _stage_chunk(items, run, source, reference, fingerprint)

    def reject(item: Arrival, error: Exception) -> None:
        finding = replace(refused_by_database(error), pointer=item.raw.pointer)
        raw = replace(item.raw, findings=(*item.raw.findings, finding))
        stage([replace(item, raw=raw, content_hash="", read=None)])

    count = 0
    started = perf_counter()
    for number, chunk in enumerate(chunks, start=1):
        isolate(chunk, write=stage, blame=reject)
        count += len(chunk)
        seconds, started = round(perf_counter() - started, 3), perf_counter()
        log.info("batch staged", source=source.name, batch=number, size=len(chunk), seconds=seconds)
    return count


def _stage_chunk(
    arrivals: Sequence[Arrival], run: ImportRun, source: Source, reference: Reference, fingerprint: str
) -> None:
    left = _mark_unchanged(arrivals, run, source, fingerprint)
    read = [read_arrival(arrival, source) for arrival in left]
    known = _known_records(read, source)
    read = [replace(item, key=item.known_as) if item.known_as in known else item for item in read]
    fresh = [(record, item) for item, record in _matched(read, known, run, source)]
    for record, _ in fresh:
        record.missing_since = None
    if fresh:
        append_versions(fresh, run, source, reference, fingerprint)


def _mark_unchanged(arrivals: Sequence[Arrival], run: ImportRun, source: Source, fingerprint: str) -> list[Arrival]:
    """Mark the records that say what the ledger has of them as seen, and return the others.

    They are found by their content alone: what says the same, read by the same pipeline, has the same key.
    """
    hashes = [arrival.content_hash for arrival in arrivals if arrival.content_hash]
    free: dict[str, deque[KnownRecord]] = defaultdict(deque)
    for known in known_as_they_are(hashes, source=source, fingerprint=fingerprint) if hashes else ():
        if known.last_seen_run != run.pk and not _is_due(known):
            free[known.content_hash].append(known)
    seen: dict[str, list[int]] = defaultdict(list)  # outcome -> records
    left = []
    for arrival in arrivals:
        if rows := free.get(arrival.content_hash):
            known = rows.popleft()
            seen[_outcome_again(known.state)].append(known.record)
        else:
            left.append(arrival)
    for outcome, records in seen.items():
        SourceRecord.objects.filter(pk__any=records).update(last_seen_run=run, outcome=outcome, missing_since=None)
    return left


def _is_due(known: KnownRecord) -> bool:
    """Return whether a record that says the same is loaded anew all the same: it was asked for, or it came back."""
    return known.is_due or (known.is_withdrawn and known.state == State.LOADED)


def _outcome_again(state: str) -> str:
    """Return the outcome of a record that says what it said before: rejects stay rejects, what was never loaded waits."""
    again = {State.REJECTED: Outcome.REJECTED, State.DISCARDED: Outcome.REJECTED, State.PENDING: Outcome.PENDING}
    return again.get(State(state), Outcome.UNCHANGED)


def _known_records(read: Sequence[ReadRecord], source: Source) -> dict[str, list[SourceRecord]]:
    """Return the records that the ledger has under these keys, by key, in the order of their occurrence."""
    known: dict[str, list[SourceRecord]] = defaultdict(list)
    keys = {key for item in read for key in (item.key, item.known_as) if key}
    rows = (
        SourceRecord.objects.filter(source=source.name, key__any=keys)
        .select_related("latest_version")
        .defer("latest_version__raw", "latest_version__standardised", "latest_version__findings")
        .order_by("key", "occurrence")
    )
    for record in rows:
        known[record.key].append(record)
    return known


def _matched(
    read: Sequence[ReadRecord], known: dict[str, list[SourceRecord]], run: ImportRun, source: Source
) -> list[tuple[ReadRecord, SourceRecord]]:
    """Return each record with its row of the ledger, an unsaved one where it has none.

    A key that repeats inside a source takes the rows of its key one by one: the row that holds the same content first,
    then one of the same name and type, else the lowest that this run has not seen; their order in the chunk changes nothing.
    """
    free = {key: [row for row in rows if row.last_seen_run_id != run.pk] for key, rows in known.items()}
    matched: list[tuple[ReadRecord, SourceRecord]] = []
    often = Counter(item.key for item in read)
    waiting = sorted(read, key=lambda item: (item.key, repr(item.staged) if often[item.key] > 1 else ""))
    for fits in (_holds_content, _has_name, _is_any):
        left: list[ReadRecord] = []
        for item in waiting:
            row = next((row for row in free.get(item.key, ()) if fits(row, item)), None)
            if row is None:
                left.append(item)
            else:
                free[item.key].remove(row)
                matched.append((item, row))
        waiting = left
    for item in waiting:
        row = SourceRecord(source=source.name, key=item.key, occurrence=len(known[item.key]), first_seen_run=run)
        known[item.key].append(row)
        matched.append((item, row))
    return matched


def _holds_content(row: SourceRecord, item: ReadRecord) -> bool:
    return row.latest_version is not None and row.latest_version.content_hash == item.content_hash


def _has_name(row: SourceRecord, item: ReadRecord) -> bool:
    return row.name_hash == item.name_hash


def _is_any(_: SourceRecord, __: ReadRecord) -> bool:
    return True


def append_versions(
    fresh: Sequence[tuple[SourceRecord, ReadRecord]],
    run: ImportRun,
    source: Source,
    reference: Reference,
    fingerprint: str,
) -> None:
    """Assess records and give each a new version, pending or rejected; its latest one gives way."""
    entries = _entries(fresh, source, reference)
    for (record, item), entry in zip(fresh, entries, strict=True):
        record.name_hash = item.name_hash
        record.last_seen_run = run
        record.is_due = False
        record.outcome = Outcome.REJECTED if entry.is_rejected else Outcome.PENDING
        if not entry.is_rejected:
            _note_matching_columns(record, entry.found_by)
    new = [record for record, _ in fresh if not record.pk]
    old = [record for record, _ in fresh if record.pk]
    overtaken = [r.latest_version_id for r in old if r.latest_version_id and r.latest_version_id != r.good_version_id]
    if overtaken:
        SourceRecordVersion.objects.filter(pk__any=overtaken).update(state=State.SUPERSEDED)
    for record, pk in zip(new, take_ids(SourceRecord, len(new)), strict=True):
        record.pk = pk
    versions = [
        _version(record, item, entry, run, fingerprint) for (record, item), entry in zip(fresh, entries, strict=True)
    ]
    for version, pk in zip(versions, take_ids(SourceRecordVersion, len(versions)), strict=True):
        version.pk = version.source_record.latest_version_id = pk
    copy_in(new)
    copy_in(versions)
    # an upsert by primary key: bulk_update() would send a CASE for every row and column
    SourceRecord.objects.bulk_create(
        old, update_conflicts=True, unique_fields=["source_record_id"], update_fields=_SEEN_ANEW
    )


def _entries(fresh: Sequence[tuple[SourceRecord, ReadRecord]], source: Source, reference: Reference) -> list[Entry]:
    """Return what to write of each record: what a worker made of it, unless its place is confidential."""
    known = [record.pk for record, _ in fresh if record.pk]
    hidden = set(
        SourceRecord.objects.filter(pk__any=known, facility__is_confidential=True).values_list("pk", flat=True)
    )

    def assess(record: SourceRecord, item: ReadRecord) -> Assessment:
        return assess_record(item, source=source, reference=reference, is_hidden=record.pk in hidden)

    if source.name == EXPORTED:
        assessed = stand_for_codes([(record, item, assess(record, item)) for record, item in fresh])
        return [entry_of(item, assessment) for _, item, assessment in assessed]
    return [
        item.entry if item.entry and record.pk not in hidden else entry_of(item, assess(record, item))
        for record, item in fresh
    ]


def fall_back(records: Sequence[SourceRecord]) -> None:
    """Save records whose version did not come to stay: matching finds them again by what their good version says.

    One without a good version is found by nothing; one that no key opens is left as it is.
    """
    good = SourceRecordVersion.objects.select_related("source_file", "source_record").in_bulk(
        [record.good_version_id for record in records if record.good_version_id]
    )
    for record in records:
        version = good.get(record.good_version_id or 0)
        if version is None:
            _note_matching_columns(record, FoundBy())
        elif not isinstance(version.standardised, Unreadable) and not isinstance(version.raw, Unreadable):
            _note_matching_columns(record, found_by(from_canonical(version.standardised)))
            item = read_record(version.source_file_id, from_stored(version), EVERY_SOURCE[record.source])
            record.name_hash = item.name_hash
    # an upsert by primary key: bulk_update() would send a CASE for every row and column
    SourceRecord.objects.bulk_create(
        records, update_conflicts=True, unique_fields=["source_record_id"], update_fields=_FALLEN_BACK
    )


_FALLEN_BACK = (
    "facility", "good_version", "latest_version", "outcome", "county_code", "identifier", "number_index", "contact_indexes",
    "name_hash", "missing_since", "withdrawn_in", "is_due",
)  # fmt: skip


_SEEN_ANEW = (
    "facility", "last_seen_run", "missing_since", "is_due", "outcome", "county_code", "identifier", "number_index",
    "contact_indexes", "name_hash", "latest_version",
)  # fmt: skip


def _note_matching_columns(record: SourceRecord, by: FoundBy) -> None:
    record.county_code, record.identifier = by.county_code, by.identifier
    record.number_index, record.contact_indexes = by.number_index, list(by.contact_indexes)


def _version(
    record: SourceRecord,
    item: ReadRecord,
    entry: Entry,
    run: ImportRun,
    fingerprint: str,
) -> SourceRecordVersion:
    before = record.latest_version
    is_again = before is not None and before.content_hash == item.content_hash  # read by other mappings or aliases
    is_settled = is_again and before is not None and before.state == State.DISCARDED
    return SourceRecordVersion(
        source_record=record,
        run=run,
        source_file_id=item.file_id,
        pointer=entry.pointer,
        content_hash=item.content_hash,
        fingerprint=fingerprint,
        raw=entry.raw,
        standardised=entry.standardised,
        findings=list(entry.findings),
        state=(State.DISCARDED if is_settled else State.REJECTED) if entry.is_rejected else State.PENDING,
        settled_by=before.settled_by if is_settled and before else None,
        settled_at=before.settled_at if is_settled and before else None,
        withdrawn_before=record.withdrawn_in,
        attempts=before.attempts + 1 if is_again and before else 1,
    )
