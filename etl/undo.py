"""undo_import: a run is reversed from the audit trail, except where a person or a later run changed something since."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched
from typing import Any

from django.db import connection
from django.db.models import Exists, Max, OuterRef, Prefetch, Q

from core.key_guard import check_keys
from core.models import FACILITY_ID, AuditEntry, User
from etl.entered import only_entered, pin_entered
from etl.errors import UnknownRunError
from etl.ledger import fall_back
from etl.lock import fenced, import_lock, session_of
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.restore import lay_out, restore_rows
from etl.runs import close_run, open_run, rehearse, running
from etl.sources import ENTERED
from etl.stages.records import Severity
from facilities.models import Facility

State, Outcome = SourceRecordVersion.State, SourceRecord.Outcome


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did, or would do: facilities by code; `kept` says why each of them was left as it is."""

    run: int
    undo_run: int | None
    removed: int
    restored: int
    kept: Mapping[str, str]
    codes_removed: tuple[str, ...] = ()
    codes_restored: tuple[str, ...] = ()

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
        if dry_run:
            return replace(rehearse(partial(_undo, run, user)), undo_run=None)
        return _undo(run, user)


def _undoable(run_id: int) -> ImportRun:
    run = ImportRun.objects.filter(pk=run_id).first()
    if run is None:
        raise UnknownRunError(f"there is no run {run_id}")
    if run.undone_by and not run.undone_by.summary.get("undo", {}).get("kept"):
        raise UnknownRunError(f"run {run_id} was undone by run {run.undone_by_id} already")
    if run.kind == ImportRun.Kind.REVIEW:
        raise UnknownRunError(
            f"run {run_id} is a person's decision: `duplicates split` takes a merge back, `duplicates merge` the rest"
        )
    if run.kind == ImportRun.Kind.UNDO:
        raise UnknownRunError(f"run {run_id} is itself an undo: import the files again instead")
    if run.kind == ImportRun.Kind.MIGRATION:
        raise UnknownRunError(
            f"run {run_id} migrated a legacy database, which is not undone: restore the backup from before it"
        )
    return run


def _undo(run: ImportRun, user: User) -> Undone:
    undo_run = open_run(ImportRun.Kind.UNDO, user=user, options={"run": run.pk})
    with running(undo_run), fenced(undo_run), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # one run may have made a hundred thousand facilities
        changed = _facilities_changed(run)
        kept = _kept(run, changed)
        kept |= _held_up_by_numbers(run, changed, kept)
        free = changed - kept.keys()
        created = _created(run) & free
        codes = dict(Facility.objects.filter(pk__in=changed).values_list("pk", "facility_code"))
        lay_out(cursor, session_of(run), free)
        _drop_other_pairs(cursor, run, kept=set(kept))
        _revert_ledger(run, kept=set(kept))
        restore_rows(cursor)
        pin_entered(only_entered(free).filter(source_records__source=ENTERED))  # the run may have set these pins
        ImportRun.objects.filter(pk=run.pk).update(undone_by=undo_run)
        named = {codes[pk]: reason for pk, reason in kept.items()}
        removed, restored = (tuple(sorted(codes[pk] for pk in part)) for part in (created, free - created))
        undone = Undone(run.pk, undo_run.pk, len(removed), len(restored), named, removed, restored)
        close_run(undo_run, status=ImportRun.Status.SUCCEEDED, summary={"undo": undone.as_json()})
    return undone


# which facilities


def _facilities_changed(run: ImportRun) -> set[int]:
    """Return the facilities that the run changed, they or their children, and that are still there."""
    entries = AuditEntry.objects.filter(session_id=session_of(run))
    pairs = entries.values_list("new_values__facility_id", "old_values__facility_id")
    ids = {int(pk) for pair in pairs.iterator() for pk in pair if pk is not None}
    loaded = SourceRecord.objects.filter(versions__loaded_in=run)
    ids.update(pk for pk in loaded.values_list("facility", flat=True) if pk)  # people may have merged or split since
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
    later = AuditEntry.objects.filter(audit_id__gt=first).exclude(session_id__in=_settled(run))
    about = later.annotate(facility=FACILITY_ID).filter(facility__in=[str(pk) for pk in changed])
    newest = about.values("facility").annotate(newest=Max("audit_id")).values("newest")
    for entry in AuditEntry.objects.filter(pk__in=newest).select_related("changed_by"):
        reasons[(entry.new_values or entry.old_values or {})["facility_id"]] = f"changed since by {_author(entry)}"
    read_again = SourceRecordVersion.objects.filter(
        source_record=OuterRef("pk"), loaded_in=run, content_hash=OuterRef("good_version__content_hash")
    )  # by other aliases or rules; it says nothing new
    joined = SourceRecord.objects.filter(facility__in=changed, good_version__loaded_in__gt=run.pk)
    for pk, later_run in joined.exclude(Exists(read_again)).values_list("facility", "good_version__loaded_in"):
        if pk is not None:
            reasons.setdefault(pk, f"a record that run {later_run} loaded stands for it, too")
    return reasons


def _settled(run: ImportRun) -> set[str]:
    """Return the sessions that do not count as later changes: the run itself, undone runs, and undoes."""
    settled = ImportRun.objects.filter(Q(pk=run.pk) | Q(undone_by__isnull=False) | Q(kind=ImportRun.Kind.UNDO))
    return {session_of(other) for other in settled}


def _held_up_by_numbers(run: ImportRun, changed: set[int], kept: Mapping[int, str]) -> dict[int, str]:
    """Return the facilities that cannot get their registration number back, because one that is kept holds it by now."""
    first = AuditEntry.objects.filter(session_id=session_of(run), table_name="facilities", operation="UPDATE")
    images = first.order_by("-audit_id").values_list("record_id", "old_values__registration_number")
    numbers = {pk: number for pk, number in images if pk in changed and number}  # the oldest image wins
    holders = Facility.objects.filter(registration_number__in=numbers.values())
    holder_of = {
        number: (pk, code) for pk, number, code in holders.values_list("pk", "registration_number", "facility_code")
    }
    held: dict[int, str] = {}
    while True:
        found = {
            pk: f"its registration number is held by {holder_of[number][1]}"
            for pk, number in numbers.items()
            if pk not in kept
            and pk not in held
            and number in holder_of
            and holder_of[number][0] != pk
            and (holder_of[number][0] in kept or holder_of[number][0] in held or holder_of[number][0] not in changed)
        }
        if not found:
            return held
        held |= found


def _author(entry: AuditEntry) -> str:
    session = entry.session_id or ""
    if session.startswith("run:"):
        return f"run {session.removeprefix('run:')}"
    return f"{entry.changed_by or session} on {entry.changed_at:%Y-%m-%d %H:%M}"


# the rows


def _drop_other_pairs(cursor: Any, run: ImportRun, *, kept: set[int]) -> None:
    """Leave pairs as they are that a person or a later run decided since, or of which a record's facility is kept."""
    cursor.execute(
        "DELETE FROM undo_rows u WHERE u.table_name = 'duplicate_pairs' AND ("
        " EXISTS (SELECT FROM audit_trail a WHERE a.table_name = u.table_name AND a.record_id = u.record_id"
        "  AND a.session_id <> ALL(%s) AND a.audit_id > (SELECT min(audit_id) FROM audit_trail WHERE session_id = %s))"
        " OR EXISTS (SELECT FROM duplicate_pairs p JOIN source_records r ON r.source_record_id IN (p.first_id, p.second_id)"
        "  WHERE p.pair_id = u.record_id AND r.facility_id = ANY(%s)))",
        [sorted(_settled(run)), session_of(run), sorted(kept)],
    )


# the ledger


def _revert_ledger(run: ImportRun, *, kept: set[int]) -> None:
    """Give every record that the run changed its previous version back, and let the next import apply the file again."""
    touched = SourceRecord.objects.filter(
        Q(versions__run=run) | Q(versions__loaded_in=run) | Q(missing_since=run) | Q(withdrawn_in=run)
    )
    versions = SourceRecordVersion.objects.defer("raw", "standardised")
    records = touched.exclude(facility__in=kept).distinct().prefetch_related(Prefetch("versions", versions))
    for chunk in batched(records.iterator(chunk_size=500), 500):
        states: dict[str, list[int]] = defaultdict(list)  # state -> versions that get it
        for record in chunk:
            record.missing_since_id = None if record.missing_since_id == run.pk else record.missing_since_id
            record.withdrawn_in_id = None if record.withdrawn_in_id == run.pk else record.withdrawn_in_id
            record.is_due = True
            _revert_versions(record, run, states)
        for state, ids in states.items():
            SourceRecordVersion.objects.filter(pk__in=ids).update(state=state)
        SourceRecordVersion.objects.filter(pk__in=states[State.UNDONE]).update(loaded_in=None)
        fall_back(chunk)


def _revert_versions(record: SourceRecord, run: ImportRun, states: dict[str, list[int]]) -> None:
    """Set a record to what it was before the run loaded, or rejected, a version of it; unsaved."""
    versions = list(record.versions.all())  # newest first
    mine = [v for v in versions if v.loaded_in_id == run.pk or (v.run_id == run.pk and v.loaded_in_id is None)]
    if not mine:
        return
    said = {version.content_hash for version in mine}
    mine += [v for v in versions if v.pk > mine[0].pk and v.content_hash in said]  # read again since, by other aliases
    before = [version for version in versions if version not in mine and version.state != State.UNDONE]
    good = next((version for version in before if version.loaded_in_id), None)
    newest = before[0] if before else None
    is_reject = newest is not None and any(f["severity"] == Severity.REJECT.value for f in newest.findings)
    is_pending = newest is not None and newest.state == State.PENDING  # staged by a run that was interrupted
    states[State.UNDONE] += [version.pk for version in mine]
    withdrawn = next((version.withdrawn_before_id for version in mine if version.withdrawn_before_id), None)
    if withdrawn:  # it had come back with the run
        record.withdrawn_in_id = record.missing_since_id = withdrawn
    record.good_version, record.latest_version = good, newest if is_reject or is_pending else good
    record.outcome = Outcome.REJECTED if is_reject else Outcome.PENDING if is_pending else Outcome.UNDONE
    record.facility = record.facility if good else None
    if good:
        states[State.LOADED].append(good.pk)
    if newest and is_reject:
        states[State.DISCARDED if newest.settled_by_id else State.REJECTED].append(newest.pk)
