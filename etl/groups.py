"""Which source records stand for one facility: read county by county, matched, grouped."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from core.crypto import Unreadable
from etl.entered import say_entered
from etl.errors import WrongKeyError
from etl.models import FieldChoice, SourceRecord, SourceRecordVersion
from etl.record_rows import RecordRow
from etl.sources import AFTER_ALL, ENTERED, EXPORTED, REPEATING, precedence_by_field, precedence_of
from etl.stages.canonical import from_canonical
from etl.stages.merge import Contributor
from etl.stages.names import read_name
from etl.stages.records import Accuracy, FacilityRecord, MatchRecord, Reference
from facilities.models import FacilityContact

State = SourceRecordVersion.State

# A contact on more records than this of one list, or of all, is a brand's or a hotline and tells no place from another.
SHARED_BY, SHARED_BY_ALL = 3, 8
BLUR_KM = {Accuracy.EXACT: 0.0, Accuracy.APPROXIMATE: 1.0}  # the middle of a town or ward says nothing


@dataclass(frozen=True, slots=True)
class Member:
    """A source record that stands for a facility, with what it says now, since which run, and what a person chose of it.

    `last_resort` names the fields that it says only because a facility cannot be without them. `is_new`: nothing was matched
    with it yet, though it may stand for a facility, as what a person entered since the last import. `is_hidden`: it, or the
    facility that it stands for, is confidential.
    """

    row: RecordRow = field(hash=False)
    record: FacilityRecord
    is_pending: bool
    said_in: int = 0
    chosen: Mapping[str, int] = field(default_factory=dict, hash=False)
    last_resort: frozenset[str] = frozenset()
    is_new: bool = False
    is_hidden: bool = False

    @property
    def is_exported(self) -> bool:
        """Whether it only repeats what a registry said."""
        return self.row.source == EXPORTED

    @property
    def is_repeating(self) -> bool:
        """Whether no list says it: it repeats what a registry said, this one or a legacy one."""
        return self.row.source in REPEATING

    @property
    def contributor(self) -> Contributor:
        return Contributor(
            self.record,
            precedence_of(self.row.source),
            precedence_by_field(self.row.source) | dict.fromkeys(self.last_resort, AFTER_ALL),
            is_missing=self.row.missing_since_id is not None,
            run=self.said_in,
            chosen=self.chosen,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """The source records of one facility, at least one of them pending; `facility_id` is None for a new one.

    `disputed`: the registration numbers that records of other places claim, too.
    """

    members: tuple[Member, ...]
    facility_id: int | None
    disputed: frozenset[str] = frozenset()

    @property
    def numbers(self) -> set[str]:
        """The registration numbers that its records claim; a confidential one claims none, its number is sealed."""
        return {m.record.registration_number for m in self.members if not m.record.is_confidential} - {""}

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
        """Whether every record that stood for the facility had been withdrawn: a pending one brings it back; no export does."""
        listed = [member for member in self.members if not member.is_repeating]
        stood = [member.row for member in listed if member.row.facility_id]
        is_listed_again = any(member.is_pending for member in listed)
        return bool(stood) and is_listed_again and all(row.withdrawn_in_id for row in stood)


def shared_contacts() -> frozenset[str]:
    """Return the contact indexes that stand on so many source records that they tell no place from another."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c FROM (SELECT c, source, count(DISTINCT key) AS places"
            " FROM source_records, unnest(contact_indexes) AS c GROUP BY c, source) AS by_source"
            " GROUP BY c HAVING max(places) > %s OR sum(places) FILTER (WHERE source <> ALL (%s)) > %s",
            [SHARED_BY, list(REPEATING), SHARED_BY_ALL],  # these say again what others said
        )
        return frozenset(row[0] for row in cursor.fetchall())


_NONE = Q(pk__in=[])
# what a record has that stands for a facility
STANDING = Q(facility__isnull=False) & (Q(good_version__isnull=False) | Q(source=ENTERED))


def read_members(rows: QuerySet[SourceRecord], *, pending: Q = _NONE) -> list[Member]:
    """Return source records with what they say, those that are pending with their latest version."""
    read = RecordRow.read(rows, pending=pending)
    version_of = {row.pk: row.latest_version_id if is_pending else row.good_version_id for row, is_pending, _ in read}
    wanted = [pk for pk in version_of.values() if pk]
    versions = SourceRecordVersion.objects.filter(pk__any=wanted).order_by().values_list("pk", "standardised", "run")
    said_in = {pk: (standardised, run) for pk, standardised, run in versions}
    entered = say_entered([row for row, _, _ in read if row.source == ENTERED])
    chosen = _choices([row.pk for row, _, _ in read])
    members = []
    for row, is_pending, stands_hidden in read:
        version = version_of[row.pk]
        if version:
            standardised, run = said_in[version]
            said, last_resort = opened(row, version, standardised), frozenset[str]()
        else:
            (said, last_resort), run = entered[row.pk], 0
        members.append(
            Member(
                row,
                said,
                is_pending,
                run,
                chosen.get(row.pk, {}),
                last_resort,
                is_hidden=said.is_confidential or stands_hidden,
            )
        )
    return members


def _choices(records: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return what people chose where sources disagree: by record, the fields in which it is believed first."""
    choices: dict[int, dict[str, int]] = defaultdict(dict)
    of_these = FieldChoice.objects.filter(source_record__any=records)
    rows = of_these.order_by("chosen_at", "pk").values_list("source_record", "field")
    for number, (record, name) in enumerate(rows, start=1):
        choices[record][name] = number
    return choices


def standing_groups(facilities: Iterable[int]) -> dict[int, Group]:
    """Return, for each facility that a record still stands for, the group of these records, each with its good version."""
    rows = SourceRecord.objects.filter(STANDING, facility__in=list(facilities))
    return _by_facility(read_members(rows.filter(withdrawn_in__isnull=True)))


def whole_groups(facilities: Iterable[int]) -> dict[int, Group]:
    """Return the group of each facility with the records that were withdrawn, too."""
    return _by_facility(read_members(SourceRecord.objects.filter(STANDING, facility__in=list(facilities))))


def _by_facility(members: Sequence[Member]) -> dict[int, Group]:
    groups: dict[int, list[Member]] = defaultdict(list)
    for member in members:
        assert member.row.facility_id is not None
        groups[member.row.facility_id].append(member)
    return {facility: Group(tuple(group), facility) for facility, group in groups.items()}


def opened(row: RecordRow, version: int, standardised: Any) -> FacilityRecord:
    """Return what a version says; raises WrongKeyError where no key opens it, since folding without it would lose values."""
    if isinstance(standardised, Unreadable):
        message = (
            f"version {version} of {row.source} · {row.pk} cannot be opened with FIELD_KEYS: add the key of its time"
        )
        raise WrongKeyError(message)
    return from_canonical(standardised)


_NO_CONTACTS: frozenset[str] = frozenset()  # one for all: an empty set is larger than all else of a record


def match_record(member: Member, reference: Reference, shared: frozenset[str]) -> MatchRecord:
    """Return what matching looks at of a record, without the `shared` contacts."""
    row, record = member.row, member.record
    position = record.position
    blur_km = BLUR_KM.get(position.accuracy) if position else None
    kind = reference.kind_by_type.get(record.facility_type, "")
    contacts = (frozenset(row.contact_indexes) - shared) or _NO_CONTACTS
    emails = {FacilityContact.index_of(c.value)[:16] for c in record.contacts if c.type == "email"} if contacts else ()
    return MatchRecord(
        order=(precedence_of(row.source), row.key, record.facility_code, row.occurrence),
        source=intern(row.source),
        key=row.key,
        code=record.facility_code,
        facility=row.facility_id,
        is_new=(member.is_pending and not (member.is_exported and row.facility_id)) or member.is_new,
        name=read_name(record.name, kind=kind, place_words=reference.gazetteer.words),
        facility_type=intern(record.facility_type),
        kind=kind,
        county=intern(record.county_code),
        constituency=intern(record.constituency_code),
        ward=intern(record.ward_code),
        identifier=record.identifier,
        registration_number=record.registration_number,
        point=(float(position.latitude), float(position.longitude)) if position and blur_km is not None else None,
        blur_km=blur_km or 0.0,
        contacts=contacts,
        emails=contacts.intersection(emails) or _NO_CONTACTS,
        is_missing=row.missing_since_id is not None,
        is_hidden=member.is_hidden,
        is_exported=member.is_exported,
    )
