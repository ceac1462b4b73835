"""undo_import: a run is reversed from the audit trail, except where a person or a later run changed something since."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Q

from core.audit import audited_models
from core.crypto import Unreadable
from core.models import AuditEntry, User
from etl.errors import UnknownRunError
from etl.key_check import check_keys
from etl.ledger import from_stored, private_contact_indexes, read_record
from etl.lock import fenced, import_lock, session_of
from etl.models import DuplicatePair, ImportRun, SourceRecord, SourceRecordVersion
from etl.runs import close_run, open_run, running
from etl.sources import SOURCES
from etl.stages.canonical import from_canonical
from etl.stages.records import Severity
from facilities.models import Facility, FacilityContact

State, Outcome = SourceRecordVersion.State, SourceRecord.Outcome


class _DryRunOverError(Exception):
    """Rolls a dry run's transaction back."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did, or would do: facilities by code; `kept` says why each of them was left as it is."""

    run: int
    undo_run: int | None
    removed: int
    restored: int
    kept: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return the object of `undo_import --json`."""
        return {
            "run": self.run,
            "undo_run": self.undo_run,
            "removed": self.removed,
            "restored": self.restored,
            "kept": dict(self.kept),
        }


def undo_import(run_id: int, *, user: User, dry_run: bool = False) -> Undone:
    """Return what was reversed of a run: its facilities go, or say again what they said, tokens as they were.

    A facility that a person or a later run changed since is kept whole, and named. is_confidential is never lowered.
    Importing the run's files again applies them again. Raises UnknownRunError and LockHeldError.
    """
    with import_lock():
        run = _undoable(run_id)
        check_keys()
        if not dry_run:
            return _undo(run, user)
        undone: Undone | None = None
        try:
            with transaction.atomic():
                undone = _undo(run, user)
                raise _DryRunOverError  # noqa: TRY301 - how a transaction is rolled back
        except _DryRunOverError:
            assert undone is not None
            return Undone(undone.run, None, undone.removed, undone.restored, undone.kept)


def _undoable(run_id: int) -> ImportRun:
    run = ImportRun.objects.filter(pk=run_id).first()
    if run is None:
        raise UnknownRunError(f"there is no run {run_id}")
    if run.undone_by and not run.undone_by.summary.get("undo", {}).get("kept"):
        raise UnknownRunError(f"run {run_id} was undone by run {run.undone_by_id} already")
    if run.kind == ImportRun.Kind.UNDO:
        raise UnknownRunError(f"run {run_id} is itself an undo: import the files again instead")
    return run


def _undo(run: ImportRun, user: User) -> Undone:
    undo_run = open_run(ImportRun.Kind.UNDO, user=user, options={"run": run.pk})
    with running(undo_run):
        with fenced(undo_run), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")  # one run may have made a hundred thousand facilities
            changed = _facilities_changed(run)
            kept = _kept(run, changed)
            free = changed - kept.keys()
            created = _created(run) & free
            _lay_out(cursor, run, free)
            _revert_ledger(run, kept=set(kept))
            _restore_rows(cursor, run, created)
            ImportRun.objects.filter(pk=run.pk).update(undone_by=undo_run)
            codes = dict(Facility.objects.filter(pk__in=kept).values_list("pk", "facility_code"))
        named = {codes.get(pk, f"facility {pk}"): reason for pk, reason in kept.items()}
        undone = Undone(run.pk, undo_run.pk, len(created), len(free - created), named)
        close_run(undo_run, status=ImportRun.Status.SUCCEEDED, summary={"undo": undone.as_json()})
    return undone


# which facilities


def _facilities_changed(run: ImportRun) -> set[int]:
    """Return the facilities that the run changed, they or their children, and that are still there."""
    entries = AuditEntry.objects.filter(session_id=session_of(run))
    pairs = entries.values_list("new_values__facility_id", "old_values__facility_id")
    ids = {int(pk) for pair in pairs.iterator() for pk in pair if pk is not None}
    return set(Facility.objects.filter(pk__in=ids).values_list("pk", flat=True))


def _created(run: ImportRun) -> set[int]:
    inserted = AuditEntry.objects.filter(session_id=session_of(run), table_name="facilities", operation="INSERT")
    return set(inserted.values_list("record_id", flat=True))


def _kept(run: ImportRun, changed: set[int]) -> dict[int, str]:
    """Return the facilities that are left as they are, with the reason."""
    sessions = AuditEntry.objects.filter(session_id=session_of(run))
    first = sessions.order_by("audit_id").values_list("audit_id", flat=True).first()
    reasons: dict[int, str] = {}
    if first is None:
        return reasons
    undone = ImportRun.objects.filter(undone_by__isnull=False)
    settled = {session_of(r) for r in undone} | {session_of(r.undone_by) for r in undone if r.undone_by}
    later = (
        AuditEntry.objects.filter(audit_id__gt=first)
        .exclude(session_id=session_of(run))
        .exclude(session_id__in=settled)
        .select_related("changed_by")
    )
    for entry in later.order_by("audit_id").iterator():
        values = entry.new_values or entry.old_values or {}
        pk = values.get("facility_id")
        if pk in changed:
            reasons[pk] = f"changed since by {_author(entry)}"
    joined = SourceRecord.objects.filter(facility__in=changed, good_version__loaded_in__gt=run.pk)
    for pk, later_run in joined.values_list("facility", "good_version__loaded_in"):
        if pk is not None:
            reasons.setdefault(pk, f"run {later_run} found it listed elsewhere, too")
    return reasons


def _author(entry: AuditEntry) -> str:
    session = entry.session_id or ""
    if session.startswith("run:"):
        return f"run {session.removeprefix('run:')}"
    return f"{entry.changed_by or session} on {entry.changed_at:%Y-%m-%d %H:%M}"


# the rows


def _lay_out(cursor: Any, run: ImportRun, facilities: set[int]) -> None:
    """Put what each row was before the run into a temporary table: its first image, NULL where the run made it."""
    cursor.execute(
        "CREATE TEMPORARY TABLE undo_rows ON COMMIT DROP AS"
        " SELECT DISTINCT ON (table_name, record_id) table_name, record_id, old_values AS image"
        " FROM audit_trail WHERE session_id = %s AND (COALESCE(new_values, old_values)->>'facility_id' IS NULL"
        " OR (COALESCE(new_values, old_values)->>'facility_id')::bigint = ANY(%s))"
        " ORDER BY table_name, record_id, audit_id",
        [session_of(run), sorted(facilities)],
    )


def _restore_rows(cursor: Any, run: ImportRun, created: set[int]) -> None:
    """Write every row of the temporary table back: children go before their facility, and come after it."""
    tables: list[type[models.Model]] = [model for model in audited_models() if hasattr(model, "facility")]
    for table in (*tables, Facility):
        _delete_made(cursor, table)
    _restore(cursor, Facility)
    for model in tables:
        _restore(cursor, model)
    _drop_redecided_pairs(cursor, run)
    _delete_made(cursor, DuplicatePair)
    _restore(cursor, DuplicatePair)
    cursor.execute("DROP TABLE undo_rows")
    for facility in Facility.objects.filter(is_confidential=True, coordinate__latitude__isnull=False):
        facility.seal_position()  # it was raised since: what was open before stays hidden
    assert not Facility.objects.filter(pk__in=created).exists()


def _drop_redecided_pairs(cursor: Any, run: ImportRun) -> None:
    """Leave the pairs that a person or a later run decided since as they are."""
    cursor.execute(
        "DELETE FROM undo_rows u WHERE u.table_name = 'duplicate_pairs' AND EXISTS (SELECT FROM audit_trail a"
        " WHERE a.table_name = u.table_name AND a.record_id = u.record_id AND a.session_id <> %s"
        " AND a.audit_id > (SELECT min(audit_id) FROM audit_trail WHERE session_id = %s))",
        [session_of(run), session_of(run)],
    )


def _delete_made(cursor: Any, model: Any) -> None:
    meta = model._meta  # noqa: SLF001 - documented API
    cursor.execute(
        f'DELETE FROM "{meta.db_table}" t USING undo_rows u WHERE u.table_name = %s AND u.image IS NULL'  # noqa: S608 - names of our own tables
        f' AND t."{meta.pk.column}" = u.record_id',
        [meta.db_table],
    )


def _restore(cursor: Any, model: type[models.Model]) -> None:
    """Write back what was changed, and put back what was deleted; what must be unique makes way first."""
    meta = model._meta  # noqa: SLF001 - documented API
    key = meta.pk.column
    columns = [field.column for field in meta.concrete_fields if field.column and field.column != key]
    # imports raise this; nothing but two people lower it
    images = {c: "i.is_confidential OR t.is_confidential" if c == "is_confidential" else f'i."{c}"' for c in columns}
    rows = (
        f'(SELECT (jsonb_populate_record(NULL::"{meta.db_table}", image)).* FROM undo_rows'  # noqa: S608 - names of our own tables
        f" WHERE table_name = '{meta.db_table}' AND image IS NOT NULL) i"
    )
    if make_way := _MAKES_WAY.get(model):
        setting, where = make_way
        cursor.execute(f'UPDATE "{meta.db_table}" t SET {setting} FROM {rows} WHERE t."{key}" = i."{key}" AND {where}')  # noqa: S608
    assignments = ", ".join(f'"{column}" = {image}' for column, image in images.items())
    cursor.execute(f'UPDATE "{meta.db_table}" t SET {assignments} FROM {rows} WHERE t."{key}" = i."{key}"')  # noqa: S608
    names = ", ".join(f'"{column}"' for column in (key, *columns))
    cursor.execute(
        f'INSERT INTO "{meta.db_table}" ({names}) SELECT {names} FROM {rows}'  # noqa: S608
        f' WHERE NOT EXISTS (SELECT FROM "{meta.db_table}" t WHERE t."{key}" = i."{key}")'
    )


# Two rows may have to swap what only one of them may hold: first nobody holds it.
_MAKES_WAY: dict[type[models.Model], tuple[str, str]] = {
    Facility: ("registration_number = NULL", "t.registration_number IS DISTINCT FROM i.registration_number"),
    FacilityContact: ("is_primary = false", "t.is_primary AND NOT i.is_primary"),
}


# the ledger


def _revert_ledger(run: ImportRun, *, kept: set[int]) -> None:
    """Give every record that the run changed its previous version back, and let the next import apply the file again."""
    touched = SourceRecord.objects.filter(
        Q(versions__run=run) | Q(versions__loaded_in=run) | Q(missing_since=run) | Q(withdrawn_in=run)
    )
    records = touched.exclude(facility__in=kept).distinct().prefetch_related("versions__source_file")
    for chunk in batched(records.iterator(chunk_size=500), 500):
        states: dict[str, list[int]] = defaultdict(list)  # state -> versions that get it
        for record in chunk:
            record.missing_since_id = None if record.missing_since_id == run.pk else record.missing_since_id
            record.withdrawn_in_id = None if record.withdrawn_in_id == run.pk else record.withdrawn_in_id
            record.is_due = True
            _revert_versions(record, run, states)
        SourceRecord.objects.bulk_update(chunk, _REVERTED)
        for state, versions in states.items():
            SourceRecordVersion.objects.filter(pk__in=versions).update(state=state)
        SourceRecordVersion.objects.filter(pk__in=states[State.UNDONE]).update(loaded_in=None)


_REVERTED = (
    "facility", "good_version", "latest_version", "outcome", "county_code", "identifier", "contact_indexes", "name_hash",
    "missing_since", "withdrawn_in", "is_due",
)  # fmt: skip


def _revert_versions(record: SourceRecord, run: ImportRun, states: dict[str, list[int]]) -> None:
    """Set a record to what it was before the run loaded, or rejected, a version of it; unsaved."""
    versions = list(record.versions.all())  # newest first
    mine = [v for v in versions if v.loaded_in_id == run.pk or (v.run_id == run.pk and v.loaded_in_id is None)]
    if not mine:
        return
    before = [version for version in versions if version not in mine and version.state != State.UNDONE]
    good = next((version for version in before if version.loaded_in_id), None)
    newest = before[0] if before else None
    is_reject = newest is not None and any(f["severity"] == Severity.REJECT.value for f in newest.findings)
    states[State.UNDONE] += [version.pk for version in mine]
    record.good_version, record.latest_version = good, newest if is_reject else good
    record.outcome = Outcome.REJECTED if is_reject else Outcome.UNDONE
    if good:
        states[State.LOADED].append(good.pk)
        _set_matching_columns(record, good)
    else:
        record.facility = None
    if newest and is_reject:
        states[State.REJECTED].append(newest.pk)


def _set_matching_columns(record: SourceRecord, version: SourceRecordVersion) -> None:
    """Set by what matching finds a record to what its version says; one that cannot be opened leaves them as they are."""
    if isinstance(version.standardised, Unreadable) or isinstance(version.raw, Unreadable):
        return
    said = from_canonical(version.standardised)
    record.county_code, record.identifier = said.county_code, said.identifier[:80]
    record.contact_indexes = private_contact_indexes(said)
    version.source_record = record
    record.name_hash = read_record(version.source_file, from_stored(version), SOURCES[record.source]).name_hash
