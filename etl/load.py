"""Pass 2: match county by county, fold golden records, plan, upsert in batches together with their ledger rows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import batched, count
from time import perf_counter
from typing import Any

import structlog
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet

from core.crypto import Unreadable
from etl.errors import WrongKeyError
from etl.facility_rows import FacilityWriter, RowIds, existing_state, pinned_targets
from etl.ledger import fall_back
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.pairs import pair_across_counties, save_pairs
from etl.resilience import Fault, fault_of, isolate, persist, refused_by_database, sqlstate_of
from etl.sources import SOURCES
from etl.stages.canonical import from_canonical
from etl.stages.dedupe import MatchRecord, Pair, match_county
from etl.stages.merge import Contributor, fold
from etl.stages.names import read_name
from etl.stages.plan import Action, Change, plan_change
from etl.stages.records import FacilityRecord, Finding, Reference, Severity
from facilities.models import Facility, FacilityContact
from facilities.pin_targets import kind_of

log = structlog.get_logger(__name__)
Outcome, State = SourceRecord.Outcome, SourceRecordVersion.State

CLASH = [{"rule": "registration-number-clash"}]
SHARED_BY = 5  # a contact on more source records than this is a brand's or a hotline and tells no place from another


@dataclass(frozen=True, slots=True)
class Member:
    """A source record that stands for a facility, with what it says now."""

    row: SourceRecord
    record: FacilityRecord
    is_pending: bool

    @property
    def contributor(self) -> Contributor:
        return Contributor(self.record, SOURCES[self.row.source].precedence)


@dataclass(frozen=True, slots=True)
class Group:
    """The source records of one facility, at least one of them pending; `facility_id` is None for a new one."""

    members: tuple[Member, ...]
    facility_id: int | None

    @property
    def pending(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.is_pending)

    @property
    def contributors(self) -> list[Contributor]:
        """What the golden record is folded from: without what was withdrawn, unless nothing else is left."""
        standing = [m for m in self.members if m.is_pending or not m.row.withdrawn_in_id]
        return [member.contributor for member in standing or self.members]

    @property
    def returns(self) -> bool:
        """Whether every record that stood for the facility had been withdrawn: a pending one brings it back."""
        stood = [member.row for member in self.members if member.row.facility_id]
        return bool(stood) and all(row.withdrawn_in_id for row in stood)


@dataclass(slots=True)
class Loaded:
    """What pass 2 did."""

    batches: int = 0


def load_pending(*, run: ImportRun, sources: Sequence[str], reference: Reference, batch_size: int) -> Loaded:
    """Return what was done with every pending version of these sources: each stands for a facility, or was refused."""
    loaded = Loaded()
    writer = new_writer(run)
    for groups in _in_batches(_pending_groups(run, sources, reference), batch_size):
        started = perf_counter()
        load_batch(groups, writer=writer, run=run)
        loaded.batches += 1
        log.info("batch loaded", batch=loaded.batches, size=len(groups), seconds=round(perf_counter() - started, 3))
    persist(partial(_pair_across_counties, run))
    if loaded.batches or run.attempt > 1 or persist(partial(_follows_unfinished, run)):
        _settle_numbers(run, writer, batch_size)
    return loaded


def _follows_unfinished(run: ImportRun) -> bool:
    """Return whether the run before this one may have left something to settle."""
    before = ImportRun.objects.filter(pk__lt=run.pk).first()
    return before is not None and before.status in {ImportRun.Status.INTERRUPTED, ImportRun.Status.FAILED}


def _settle_numbers(run: ImportRun, writer: FacilityWriter, batch_size: int) -> None:
    """Let who lost a registration number try again: its holder may have given it up in a later batch."""
    losers = SourceRecordVersion.objects.filter(findings__contains=CLASH, state=State.LOADED)
    of_losers = losers.filter(source_record__facility__isnull=False).values_list("source_record__facility", flat=True)
    facilities: list[int] = persist(partial(list, of_losers.order_by("source_record__facility").distinct()))
    for part in batched(facilities, batch_size):
        groups = list(persist(partial(standing_groups, part)).values())
        load_batch(groups, writer=writer, run=run)
        persist(partial(_forget_settled_clashes, run, groups))


def _forget_settled_clashes(run: ImportRun, groups: Sequence[Group]) -> None:
    """Take the finding off the records whose facility got the number that they claim."""
    claims = {m.row.pk: m.record.registration_number for group in groups for m in group.members}
    held = SourceRecord.objects.filter(pk__in=claims).values_list("pk", "facility__registration_number")
    settled = [pk for pk, number in held if number == claims[pk]]
    versions = SourceRecordVersion.objects.filter(
        source_record__in=settled, state=State.LOADED, findings__contains=CLASH
    )
    with fenced(run):
        for version in versions.only("findings"):
            version.findings = [f for f in version.findings if f["rule"] != CLASH[0]["rule"]]
            version.save(update_fields=["findings"])


def new_writer(run: ImportRun) -> FacilityWriter:
    """Return the writer of a run: its rows carry the user that the run works for."""
    return FacilityWriter(ids=persist(RowIds.read), user=run.started_by)


def load_batch(groups: Sequence[Group], *, writer: FacilityWriter, run: ImportRun, may_halve: bool = True) -> None:
    """Write the facilities of a batch with their children and ledger rows in one transaction, retried as a whole.

    A record that the database refuses becomes a reject, and the others land. A statement that takes too long is tried
    once more with half the batch.
    """
    try:
        persist(partial(_write_batch, groups, count(1), writer=writer, run=run))
    except OperationalError as error:
        if fault_of(error) is not Fault.TIMEOUT or not may_halve or len(groups) == 1:
            raise
        log.warning("batch halved", code="statement-timeout", size=len(groups))
        middle = len(groups) // 2
        for half in (groups[:middle], groups[middle:]):
            load_batch(half, writer=writer, run=run, may_halve=False)


def _write_batch(groups: Sequence[Group], attempts: Iterator[int], *, writer: FacilityWriter, run: ImportRun) -> None:
    try:
        with fenced(run):
            waiting = groups if next(attempts) == 1 else _not_yet_loaded(groups)
            _load_groups(waiting, writer, run)
    except (DatabaseError, ValueError) as error:
        if fault_of(error) is not Fault.DATA:
            raise
        with fenced(run), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # so that the guilty record is caught in its own savepoint
            isolate(
                groups,
                write=lambda part: _load_groups(part, writer, run),
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
        _load_groups([rest], writer, run)
    _reject(guilty, error)


def _without(group: Group, left_out: AbstractSet[Member]) -> Group:
    """Return a group where these members say what they said last, if they were ever loaded, or nothing."""
    records = [member.row.pk for member in left_out if member.row.good_version_id]
    before = {row.pk: row for row in SourceRecord.objects.filter(pk__in=records).select_related("good_version")}
    members = []
    for member in group.members:
        if member not in left_out:
            members.append(member)
        elif (row := before.get(member.row.pk)) and row.good_version:
            members.append(Member(row, _opened(row, row.good_version), is_pending=False))
    return replace(group, members=tuple(members))


def _lands(group: Group, writer: FacilityWriter, run: ImportRun) -> bool:
    """Return whether the database takes a group; nothing of it stays."""
    try:
        with transaction.atomic():
            _load_groups([group], writer, run)
            transaction.set_rollback(True)
    except (DatabaseError, ValueError) as error:
        if fault_of(error) is not Fault.DATA:
            raise
        return False
    return True


def _pending_versions(records: Sequence[int]) -> QuerySet[SourceRecordVersion]:
    waiting = SourceRecordVersion.objects.filter(source_record__in=records, state=State.PENDING)
    return waiting.only("findings", "pointer", "state")  # what is sealed stays closed


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


def _pending_groups(run: ImportRun, sources: Sequence[str], reference: Reference) -> Iterator[Group]:
    """Yield what there is to load, county by county in the order of their codes: a batch may span counties."""
    pending = Q(latest_version__state=State.PENDING, source__in=sources)
    counties = SourceRecord.objects.filter(pending).order_by("county_code").values_list("county_code", flat=True)
    shared = persist(shared_contacts)
    settled: set[int] = set()  # records that a county before this one loaded: their facility reaches into two counties
    codes: list[str] = persist(partial(list, counties.distinct()))
    for county_code in codes:
        members = persist(partial(_county_members, county_code, pending, settled))
        matchable = [_match_record(member, reference, shared) for member in members]
        clusters, pairs = match_county(matchable)
        persist(partial(_save_pairs, members, pairs, run))
        for indexes in clusters:
            group = tuple(members[index] for index in indexes)
            if any(member.is_pending for member in group):
                settled.update(member.row.pk for member in group if member.is_pending)
                yield Group(group, next((m.row.facility_id for m in group if m.row.facility_id), None))


def _save_pairs(members: Sequence[Member], pairs: Sequence[Pair], run: ImportRun) -> None:
    with fenced(run):
        save_pairs([member.row for member in members], pairs, changed=_changed(members), run=run)


def _pair_across_counties(run: ImportRun) -> None:
    with fenced(run):
        pair_across_counties(run)


def _in_batches(groups: Iterator[Group], size: int) -> Iterator[list[Group]]:
    """Yield the groups in batches; a facility that comes again waits for the next batch, so that none is written twice."""
    batch: list[Group] = []
    for group in groups:
        is_again = group.facility_id is not None and group.facility_id in {other.facility_id for other in batch}
        if len(batch) == size or is_again:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def shared_contacts() -> frozenset[str]:
    """Return the contact indexes that stand on more than SHARED_BY source records."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c FROM source_records, unnest(contact_indexes) AS c GROUP BY c HAVING count(*) > %s",
            [SHARED_BY],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def _county_members(county_code: str, pending: Q, settled: AbstractSet[int]) -> list[Member]:
    """Return the records of a county that are pending or stand for a facility, and those elsewhere that share one."""
    moved = SourceRecord.objects.filter(pending, county_code=county_code, facility__isnull=False).values("facility")
    rows = (
        SourceRecord.objects.filter(Q(county_code=county_code) | Q(facility__in=moved))
        .filter(pending | Q(good_version__isnull=False, facility__isnull=False))
        .annotate(is_pending=pending)
        .order_by("source", "key", "occurrence")
    )
    versions = SourceRecordVersion.objects.only("standardised").in_bulk(
        [row.latest_version_id if row.is_pending else row.good_version_id for row in rows],
    )
    return [
        Member(row, _opened(row, versions[version_id]), row.is_pending and row.pk not in settled)
        for row in rows
        for version_id in (row.latest_version_id if row.is_pending else row.good_version_id,)
    ]


def standing_groups(facilities: Sequence[int]) -> dict[int, Group]:
    """Return, for each facility that a record still stands for, the group of these records, each with its good version."""
    rows = SourceRecord.objects.filter(
        facility__in=facilities, good_version__isnull=False, withdrawn_in__isnull=True
    ).select_related("good_version")
    members: dict[int, list[Member]] = defaultdict(list)
    for row in rows.order_by("source", "key", "occurrence"):
        assert row.good_version is not None
        assert row.facility_id is not None
        members[row.facility_id].append(Member(row, _opened(row, row.good_version), is_pending=False))
    return {facility: Group(tuple(left), facility) for facility, left in members.items()}


def _opened(row: SourceRecord, version: SourceRecordVersion) -> FacilityRecord:
    """Return what a version says; raises WrongKeyError where no key opens it, since folding without it would lose values."""
    if isinstance(version.standardised, Unreadable):
        message = f"version {version.pk} of {row} cannot be opened with FIELD_KEYS: add the key it was written with"
        raise WrongKeyError(message)
    return from_canonical(version.standardised)


def _match_record(member: Member, reference: Reference, shared: frozenset[str]) -> MatchRecord:
    row, record = member.row, member.record
    point = record.position
    kind = reference.kind_by_type.get(record.facility_type, "")
    return MatchRecord(
        order=(SOURCES[row.source].precedence, row.key, record.facility_code, row.occurrence),
        source=row.source,
        key=row.key,
        code=record.facility_code,
        facility=row.facility_id,
        is_new=member.is_pending,
        name=read_name(record.name, kind=kind),
        facility_type=record.facility_type,
        kind=kind,
        county=record.county_code,
        constituency=record.constituency_code,
        ward=record.ward_code,
        identifier=record.identifier,
        point=(float(point.latitude), float(point.longitude)) if point else None,
        contacts=frozenset(row.contact_indexes) - shared,
    )


def _changed(members: Sequence[Member]) -> frozenset[int]:
    """Return the records that say something else than when they were loaded."""
    return frozenset(member.row.pk for member in members if member.is_pending and member.row.good_version_id)


def _load_groups(groups: Sequence[Group], writer: FacilityWriter, run: ImportRun) -> None:
    """Write facilities, their children and their ledger rows together."""
    goldens = [fold(group.contributors) for group in groups]
    existing = _existing_facilities(groups, goldens)
    goldens = [
        golden if group.facility_id else _with_free_code(golden, existing)
        for group, golden in zip(groups, goldens, strict=True)
    ]
    facilities = [existing.get(group.facility_id) if group.facility_id else None for group in groups]
    goldens = _without_clashing_numbers(groups, goldens, facilities)
    changes = [
        plan_change(
            golden,
            code=facility.facility_code if facility else golden.facility_code,
            existing=existing_state(facility) if facility else None,
            index_of=FacilityContact.index_of,
            pins=pinned_targets(facility) if facility else frozenset(),
            reactivates=group.returns,
        )
        for group, golden, facility in zip(groups, goldens, facilities, strict=True)
    ]
    id_by_code = writer.write(changes, goldens=goldens, facilities=facilities)
    _note_pins(groups, changes)
    _close_versions(groups, changes, id_by_code, run)


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


def _with_free_code(golden: FacilityRecord, existing: Mapping[int | str, Facility]) -> FacilityRecord:
    """Return the record with a code that no facility has: its founder's, unless that founder's facility moved on.

    A place that moved county keeps its code; another place of the same name that takes its place in the list gets "-2".
    """
    code, number = golden.facility_code, 1
    while code in existing or (number > 1 and Facility.objects.filter(facility_code=code).exists()):
        number += 1
        code = f"{golden.facility_code}-{number}"
    return replace(golden, facility_code=code)


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
    """Return the golden records, each without a registration number that another facility holds, with a finding.

    A number that a person pinned stays where it is, and its facility claims no other.
    """
    goldens = [
        replace(golden, registration_number=facility.registration_number or "")
        if facility and "registration_number" in pinned_targets(facility)
        else golden
        for golden, facility in zip(goldens, facilities, strict=True)
    ]
    wanted = {golden.registration_number for golden in goldens if golden.registration_number}
    owners = dict(
        Facility.objects.filter(registration_number__in=wanted).values_list("registration_number", "facility_code"),
    )
    for golden, facility in zip(goldens, facilities, strict=True):
        number = facility.registration_number if facility else None
        is_given_up = (
            number in wanted and number != golden.registration_number
        )  # here, and another of the batch wants it
        if facility and is_given_up:
            Facility.objects.filter(pk=facility.pk).update(registration_number=None)
            del owners[number]
    kept = []
    for group, golden, facility in zip(groups, goldens, facilities, strict=True):
        code = facility.facility_code if facility else golden.facility_code
        number = golden.registration_number
        if number and owners.setdefault(number, code) != code:
            _add_clash_finding(group, number=number, owner=owners[number])
            golden = replace(golden, registration_number="")  # noqa: PLW2901 - the record goes on without its number
        kept.append(golden)
    return kept


def _add_clash_finding(group: Group, *, number: str, owner: str) -> None:
    """Add the finding to each pending record that claims the number."""
    finding = {
        **CLASH[0],
        "severity": Severity.WARNING.value,
        "field": "registration_number",
        "message": f"its registration number belongs to {owner}; the facility is kept without one",
        "pointer": "",
        "value": "",
        "hint": "ask both sources which of them holds the number",
    }
    _add_finding([m.row.pk for m in group.pending if m.record.registration_number == number], finding)


def _add_finding(records: Sequence[int], finding: Mapping[str, Any]) -> None:
    for version in _pending_versions(records):
        version.findings = [*(f for f in version.findings if f["rule"] != finding["rule"]), dict(finding)]
        version.save(update_fields=["findings"])


def _close_versions(
    groups: Sequence[Group], changes: Sequence[Change], id_by_code: Mapping[str, int], run: ImportRun
) -> None:
    """Turn the batch's pending versions loaded and give each record its facility and its outcome in this run."""
    rows: list[SourceRecord] = []
    for group, change in zip(groups, changes, strict=True):
        for member in group.pending:
            row = copy(member.row)  # the batch may be rolled back and written again
            row.outcome = _outcome(member, group, change)
            row.facility_id = id_by_code[change.facility_code]
            row.good_version_id = row.latest_version_id
            row.withdrawn_in_id = None
            rows.append(row)
    versions = SourceRecordVersion.objects.filter(source_record__in=[row.pk for row in rows])
    versions.filter(state=State.LOADED).update(state=State.SUPERSEDED)
    versions.filter(state=State.PENDING).update(state=State.LOADED, loaded_in=run)
    # an upsert by primary key: bulk_update() would send a CASE for every row and column
    SourceRecord.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["source_record_id"],
        update_fields=["facility", "good_version", "outcome", "withdrawn_in"],
    )


def _founding_rank(member: Member) -> tuple[int, str, str, int]:
    return member.contributor.precedence, member.row.key, member.record.facility_code, member.row.occurrence


def _outcome(member: Member, group: Group, change: Change) -> str:
    """Return what happened to one pending record: its founder created the facility, a newcomer merged into it."""
    if member.row.facility_id is None:
        is_founder = member is min(group.members, key=_founding_rank)
        return Outcome.CREATED if is_founder and change.action is Action.CREATE else Outcome.MERGED
    return Outcome.UNCHANGED if change.action is Action.KEEP else Outcome.UPDATED
