"""A batch of facilities with their children and ledger rows: one transaction, retried, halved, its guilty records found."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from functools import partial
from itertools import count
from typing import Any

import structlog
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet

from core.database_errors import sqlstate_of
from etl.facility_rows import FacilityWriter, RowIds, existing_state, pinned_targets
from etl.groups import Group, Member, opened
from etl.ledger import fall_back
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.resilience import Fault, fault_of, isolate, refused_by_database, with_retries
from etl.stages.merge import fold
from etl.stages.plan import Action, Change, plan_change
from etl.stages.records import FacilityRecord, Finding, Severity
from facilities.models import Facility, FacilityContact, RetiredCode
from facilities.pin_targets import kind_of

log = structlog.get_logger(__name__)
Outcome, State = SourceRecord.Outcome, SourceRecordVersion.State

CLASH = [{"rule": "registration-number-clash"}]


def new_writer(run: ImportRun) -> FacilityWriter:
    """Return the writer of a run: its rows carry the user that the run works for."""
    return FacilityWriter(ids=with_retries(RowIds.read), user=run.started_by)


def load_batch(groups: Sequence[Group], *, writer: FacilityWriter, run: ImportRun, may_halve: bool = True) -> None:
    """Write the facilities of a batch with their children and ledger rows in one transaction, retried as a whole.

    A record that the database refuses becomes a reject, and the others land. A statement that takes too long is tried
    once more with half the batch.
    """
    try:
        with_retries(partial(_write_batch, groups, count(1), writer=writer, run=run))
    except OperationalError as error:
        if fault_of(error) is not Fault.TIMEOUT or not may_halve or len(groups) == 1:
            raise
        log.warning("batch halved", code="statement-timeout", size=len(groups))
        middle = len(groups) // 2
        for half in (groups[:middle], groups[middle:]):
            load_batch(half, writer=writer, run=run, may_halve=False)


def _write_batch(groups: Sequence[Group], attempts: Iterator[int], *, writer: FacilityWriter, run: ImportRun) -> None:
    waiting = groups
    try:
        with fenced(run):
            if next(attempts) > 1:
                waiting = _not_yet_loaded(groups)
            write_groups(waiting, writer, run)
    except (DatabaseError, ValueError) as error:
        if fault_of(error) is not Fault.DATA:
            raise
        with fenced(run), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # so that the guilty record is caught in its own savepoint
            isolate(
                waiting,
                write=lambda part: write_groups(part, writer, run),
                blame=lambda group, fault: _reject_guilty(group, fault, writer, run),
            )


def _not_yet_loaded(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that an earlier attempt, whose COMMIT was never answered, did not load after all."""
    pending = {member.row.pk for group in groups for member in group.members if member.is_pending}
    versions = SourceRecordVersion.objects.filter(source_record__in=pending, state=State.PENDING)
    waiting = set(versions.values_list("source_record", flat=True))
    return [group for group in groups if not group.pending or any(m.row.pk in waiting for m in group.pending)]


def _reject_guilty(group: Group, error: Exception, writer: FacilityWriter, run: ImportRun) -> None:
    """Reject the records of a facility that the database refuses, each tried alone, and load the others."""
    if not group.pending:
        log.error("facility refused", code="facility-refused", facility=group.facility_id, sqlstate=sqlstate_of(error))
        return
    guilty = [
        member for member in group.pending if not _lands(_without(group, set(group.pending) - {member}), writer, run)
    ]
    rest = _without(group, set(guilty))
    if not guilty or (rest.pending and not _lands(rest, writer, run)):
        guilty, rest = list(group.pending), _without(group, set(group.pending))
    if rest.pending:
        write_groups([rest], writer, run)
    _reject(guilty, error)


def _without(group: Group, left_out: AbstractSet[Member]) -> Group:
    """Return a group where these members say what they said last, if they were ever loaded, or nothing."""
    said_before = SourceRecordVersion.objects.only("standardised", "run").in_bulk(
        [m.row.good_version_id for m in left_out if m.row.good_version_id]
    )
    members = []
    for member in group.members:
        if member not in left_out:
            members.append(member)
        elif before := said_before.get(member.row.good_version_id or 0):
            said = opened(member.row, before.pk, before.standardised)
            members.append(replace(member, record=said, is_pending=False, said_in=before.run_id))
    return replace(group, members=tuple(members))


def _lands(group: Group, writer: FacilityWriter, run: ImportRun) -> bool:
    """Return whether the database takes a group; nothing of it stays."""
    try:
        with transaction.atomic():
            write_groups([group], writer, run)
            transaction.set_rollback(True)
    except (DatabaseError, ValueError) as error:
        if fault_of(error) is not Fault.DATA:
            raise
        return False
    return True


def _reject(members: Sequence[Member], error: Exception) -> None:
    finding = asdict(refused_by_database(error))
    records = [member.row.pk for member in members]
    for version in _pending_versions(records):
        version.state = State.REJECTED
        version.findings = [*version.findings, finding | {"pointer": version.pointer}]
        version.save(update_fields=["state", "findings"])
    rejected = list(SourceRecord.objects.filter(pk__in=records))
    for record in rejected:
        record.outcome = Outcome.REJECTED
    fall_back(rejected)


def _pending_versions(records: Sequence[int]) -> QuerySet[SourceRecordVersion]:
    waiting = SourceRecordVersion.objects.filter(source_record__in=records, state=State.PENDING)
    return waiting.only("findings", "pointer", "state")  # what is sealed stays closed


def write_groups(groups: Sequence[Group], writer: FacilityWriter, run: ImportRun) -> list[int]:
    """Return the ids of the facilities, written with their children and their ledger rows together; in a transaction."""
    goldens = [fold(group.contributors) for group in groups]
    existing = _existing_facilities(groups, goldens)
    goldens = _with_free_codes(groups, goldens, existing)
    facilities = [existing.get(group.facility_id) if group.facility_id else None for group in groups]
    as_it_stands = [_as_it_stands(group, facility) for group, facility in zip(groups, facilities, strict=True)]
    goldens = [said or golden for said, golden in zip(as_it_stands, goldens, strict=True)]
    goldens = _without_clashing_numbers(groups, goldens, facilities)
    changes = [
        plan_change(
            golden,
            code=facility.facility_code if facility else golden.facility_code,
            existing=existing_state(facility) if facility else None,
            index_of=FacilityContact.index_of,
            pins=pinned_targets(facility) if facility and not said else frozenset(),
            reactivates=group.returns,
        )
        for group, golden, facility, said in zip(groups, goldens, facilities, as_it_stands, strict=True)
    ]
    id_by_code = writer.write(changes, goldens=goldens, facilities=facilities)
    _note_pins(groups, changes)
    _note_moves(groups, changes, facilities)
    _close_versions(groups, changes, id_by_code, run)
    return [id_by_code[change.facility_code] for change in changes]


def _as_it_stands(group: Group, facility: Facility | None) -> FacilityRecord | None:
    """Return what is pending if that is an export which says what the facility says: then nothing is folded anew."""
    if facility is None or not group.pending or not all(member.is_exported for member in group.pending):
        return None
    state = existing_state(facility)
    plans = (
        plan_change(m.record, code=facility.facility_code, existing=state, index_of=FacilityContact.index_of)
        for m in group.pending
    )
    return group.pending[0].record if all(plan.action is Action.KEEP for plan in plans) else None


def _note_pins(groups: Sequence[Group], changes: Sequence[Change]) -> None:
    """Say on each pending record that what a person set was kept."""
    for group, change in zip(groups, changes, strict=True):
        if change.pins_kept:
            what = ", ".join(sorted({kind_of(target) for target in change.pins_kept}))
            finding = Finding(
                rule="pin-kept",
                severity=Severity.WARNING,
                field=what,
                message=f"{what}: a person set this on the facility, and it was kept",
                hint="take the pin off on the facility's page to let the source speak again",
            )
            _add_finding([member.row.pk for member in group.pending], asdict(finding))


def _note_moves(groups: Sequence[Group], changes: Sequence[Change], facilities: Sequence[Facility | None]) -> None:
    """Say on the pending records that say so that their facility moved to another county: rarely true, often a reused code."""
    for group, change, facility in zip(groups, changes, facilities, strict=True):
        if facility is None or "county_code" not in change.fields:
            continue
        _, county = change.fields["county_code"]
        finding = Finding(
            rule="county-changed",
            severity=Severity.WARNING,
            field="county_code",
            message=f"its facility lay in {facility.county}, and lies in another county now",
            hint="look at the facility: where its list gave an old code to another place, split the record off",
        )
        _add_finding([m.row.pk for m in group.pending if m.record.county_code == county], asdict(finding))


def _with_free_codes(
    groups: Sequence[Group], goldens: Sequence[FacilityRecord], existing: Mapping[int | str, Facility]
) -> list[FacilityRecord]:
    """Return the records, those of new facilities with a code that no facility has, or had before a merge.

    It is their founder's, unless that founder's facility moved on: a place that moved county keeps its code, and another place
    of the same name that takes its place in the list gets "-2".
    """
    wanted = {golden.facility_code for group, golden in zip(groups, goldens, strict=True) if not group.facility_id}
    taken = set(RetiredCode.objects.filter(retired_code__in=wanted).values_list("retired_code", flat=True))
    taken |= {code for code in wanted if code in existing}
    return [
        replace(golden, facility_code=_next_free(golden.facility_code))
        if golden.facility_code in taken and not group.facility_id
        else golden
        for group, golden in zip(groups, goldens, strict=True)
    ]


def _next_free(code: str) -> str:
    numbered = (f"{code}-{number}" for number in count(2))
    return next(other for other in numbered if Facility.objects.by_code(other) is None)


def _existing_facilities(groups: Sequence[Group], goldens: Sequence[FacilityRecord]) -> dict[int | str, Facility]:
    """Return the facilities of the batch by id and by code."""
    ids = [group.facility_id for group in groups if group.facility_id]
    codes = [golden.facility_code for group, golden in zip(groups, goldens, strict=True) if not group.facility_id]
    rows = (
        Facility.objects.filter(Q(pk__in=ids) | Q(facility_code__in=codes))
        .with_details()
        .prefetch_related("pins")
        .order_by("pk")
    )
    found: dict[int | str, Facility] = {}
    for row in rows.select_for_update(of=("self",)):
        found[row.pk] = found[row.facility_code] = row
    return found


def _without_clashing_numbers(
    groups: Sequence[Group],
    goldens: Sequence[FacilityRecord],
    facilities: Sequence[Facility | None],
) -> list[FacilityRecord]:
    """Return the golden records, each without a registration number that another facility holds or may get, with a finding.

    A number that a person pinned stays where it is, and its facility claims no other. A confidential place claims none: its
    number is sealed, and a clash would tell what it is.
    """
    goldens = [
        replace(golden, registration_number=facility.registration_number or "")
        if facility and "registration_number" in pinned_targets(facility)
        else golden
        for golden, facility in zip(goldens, facilities, strict=True)
    ]
    claims = [
        "" if golden.is_confidential or (facility and facility.is_confidential) else golden.registration_number
        for golden, facility in zip(goldens, facilities, strict=True)
    ]
    wanted = {number for number in claims if number}
    disputed = [_is_disputed(group, number, f) for group, number, f in zip(groups, claims, facilities, strict=True)]
    owners = dict(
        Facility.objects.filter(registration_number__in=wanted).values_list("registration_number", "facility_code"),
    )
    for claim, facility in zip(claims, facilities, strict=True):
        number = facility.registration_number if facility else None
        is_given_up = number in wanted and number != claim  # here, and another of the batch wants it
        if facility and is_given_up:
            Facility.objects.filter(pk=facility.pk).update(registration_number=None)
            del owners[number]
    kept = []
    for group, golden, facility, number, waits in zip(groups, goldens, facilities, claims, disputed, strict=True):
        code = facility.facility_code if facility else golden.facility_code
        if waits or (number and owners.setdefault(number, code) != code):
            claiming = [m.row.pk for m in group.pending if m.record.registration_number == number]
            _add_finding(claiming, clash_finding(owners.get(number)))
            golden = replace(golden, registration_number="")  # noqa: PLW2901 - the record goes on without its number
        kept.append(golden)
    return kept


def _is_disputed(group: Group, number: str, facility: Facility | None) -> bool:
    """Return whether other places claim the number, too, and this one does not hold it: it is given when all are loaded."""
    return number in group.disputed and (facility is None or facility.registration_number != number)


def clash_finding(owner: str | None) -> dict[str, Any]:
    """Return the finding about a registration number that another facility holds; None: nobody does yet."""
    whose = f"belongs to {owner}" if owner else "is claimed by another place, too"
    return {
        **CLASH[0],
        "severity": Severity.WARNING.value,
        "field": "registration_number",
        "message": f"its registration number {whose}; the facility is kept without one",
        "pointer": "",
        "value": "",
        "hint": "ask both sources which of them holds the number",
    }


def _add_finding(records: Sequence[int], finding: Mapping[str, Any]) -> None:
    for version in _pending_versions(records):
        version.findings = [*(f for f in version.findings if f["rule"] != finding["rule"]), dict(finding)]
        version.save(update_fields=["findings"])


def _close_versions(
    groups: Sequence[Group], changes: Sequence[Change], id_by_code: Mapping[str, int], run: ImportRun
) -> None:
    """Turn the batch's pending versions loaded and give each record its facility and its outcome in this run."""
    closed = []
    for group, change in zip(groups, changes, strict=True):
        founder = min(group.members, key=_founding_rank)
        facility_id = id_by_code[change.facility_code]
        for member in group.pending:
            outcome = _outcome(member, change, is_founder=member is founder)
            closed.append((member.row.pk, facility_id, outcome))
    if not closed:
        return
    records, facilities, outcomes = (list(column) for column in zip(*closed, strict=True))
    versions = SourceRecordVersion.objects.filter(source_record__any=records)
    versions.filter(state=State.LOADED).update(state=State.SUPERSEDED)
    versions.filter(state=State.PENDING).update(state=State.LOADED, loaded_in=run)
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_RECORDS, [records, facilities, outcomes])


# three arrays instead of a placeholder for every value: the ledger has as many rows as all sources together
_CLOSE_RECORDS = """
UPDATE source_records r
SET facility_id = n.facility, outcome = n.outcome, good_version_id = r.latest_version_id, withdrawn_in_id = NULL
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS n (record, facility, outcome)
WHERE r.source_record_id = n.record
"""


def _founding_rank(member: Member) -> tuple[int, str, str, int]:
    return member.contributor.precedence, member.row.key, member.record.facility_code, member.row.occurrence


def _outcome(member: Member, change: Change, *, is_founder: bool) -> str:
    """Return what happened to one pending record: its founder created the facility, a newcomer merged into it."""
    if member.row.facility_id is None:
        return Outcome.CREATED if is_founder and change.action is Action.CREATE else Outcome.MERGED
    return Outcome.UNCHANGED if change.action is Action.KEEP else Outcome.UPDATED
