"""Which source records stand for one facility: read county by county, matched, grouped."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

from django.db import connection
from django.db.models import Q

from core.crypto import Unreadable
from etl.errors import WrongKeyError
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.pairs import save_pairs
from etl.resilience import with_retries
from etl.sources import SOURCES
from etl.stages.canonical import from_canonical
from etl.stages.dedupe import MatchRecord, Pair, match_county
from etl.stages.merge import Contributor
from etl.stages.names import read_name
from etl.stages.records import FacilityRecord, Reference

State = SourceRecordVersion.State

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


def pending_groups(run: ImportRun, sources: Sequence[str], reference: Reference) -> Iterator[Group]:
    """Yield what there is to load, county by county in the order of their codes: a batch may span counties."""
    pending = Q(latest_version__state=State.PENDING, source__in=sources)
    counties = SourceRecord.objects.filter(pending).order_by("county_code").values_list("county_code", flat=True)
    shared = with_retries(shared_contacts)
    settled: set[int] = set()  # records that a county before this one loaded: their facility reaches into two counties
    codes: list[str] = with_retries(partial(list, counties.distinct()))
    for county_code in codes:
        members = with_retries(partial(_county_members, county_code, pending, settled))
        matchable = [_match_record(member, reference, shared) for member in members]
        clusters, pairs = match_county(matchable)
        with_retries(partial(_save_pairs, members, pairs, run))
        for indexes in clusters:
            group = tuple(members[index] for index in indexes)
            if any(member.is_pending for member in group):
                settled.update(member.row.pk for member in group if member.is_pending)
                yield Group(group, next((m.row.facility_id for m in group if m.row.facility_id), None))


def _save_pairs(members: Sequence[Member], pairs: Sequence[Pair], run: ImportRun) -> None:
    with fenced(run):
        save_pairs([member.row for member in members], pairs, changed=_changed(members), run=run)


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
        Member(row, opened(row, versions[version_id]), row.is_pending and row.pk not in settled)
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
        members[row.facility_id].append(Member(row, opened(row, row.good_version), is_pending=False))
    return {facility: Group(tuple(left), facility) for facility, left in members.items()}


def opened(row: SourceRecord, version: SourceRecordVersion) -> FacilityRecord:
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
