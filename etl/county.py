"""One county: its records matched, and what waits in it. No more is held of a record than matching looks at.

A county grows with the list: what its records say is read a second time when their batch comes, beyond the first KEPT.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import batched
from typing import NamedTuple, Self

from django.db.models import Count, Q, QuerySet

from etl.ceiling import portion
from etl.entries import number_index
from etl.groups import STANDING, Group, Member, match_record, read_members, shared_contacts
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.pairs import Separations, read_separations, save_pairs
from etl.resilience import with_retries
from etl.sources import ENTERED, MIGRATED
from etl.stages.dedupe import match_county
from etl.stages.records import MatchRecord, Pair, Reference

KEPT = 5_000  # records, about 5 kB each
READ_AT_ONCE = 500  # records
GROUPS_AT_ONCE = 50
State = SourceRecordVersion.State


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What matching a county needs to know of the others, read once when every source is staged.

    `shared`: contacts that tell no place from another. `separations`: what people told apart. `disputed`: indexes of the
    registration numbers that records of two counties claim.
    """

    shared: frozenset[str]
    separations: Separations
    disputed: frozenset[str]


def read_surroundings() -> Surroundings:
    """Return what matching a county needs to know of the others."""
    claimed = SourceRecord.objects.exclude(number_index="").order_by().values("number_index")
    by_two = claimed.annotate(counties=Count("county_code", distinct=True)).filter(counties__gt=1)
    disputed = frozenset(by_two.values_list("number_index", flat=True))
    return Surroundings(shared_contacts(), read_separations(), disputed)


def pending_counties(run: ImportRun, sources: Sequence[str]) -> dict[str, int]:
    """Return the counties in which there is something to match, in the order of their codes, with the number of records."""
    to_match = SourceRecord.objects.filter(_pending(sources) | _newly_standing(run))
    counted = to_match.values("county_code").annotate(records=Count("pk")).order_by("county_code")
    return dict(counted.values_list("county_code", "records"))


def counties_that_reach_out() -> set[str]:
    """Return the codes of the counties that hold records of a facility which has records in another county, too."""
    standing = SourceRecord.objects.filter(facility__isnull=False).order_by().values("facility")
    in_two = standing.annotate(counties=Count("county_code", distinct=True)).filter(counties__gt=1)
    records = SourceRecord.objects.filter(facility__any=in_two.values_list("facility", flat=True))
    return set(records.order_by().values_list("county_code", flat=True).distinct())


def county_groups(
    county_code: str,
    *,
    run: ImportRun,
    sources: Sequence[str],
    reference: Reference,
    around: Surroundings,
) -> Iterator[Group]:
    """Yield what there is to load of a county, matched.

    Where a facility reaches into two counties, that is some of another one, too: what a county before this one yielded of
    them has to be loaded before.
    """
    pending = _pending(sources)
    ids = with_retries(partial(_record_ids, county_code, sources))
    kept: dict[int, Member] = {}
    held = _Held()
    for part in _portions(ids):
        members = with_retries(partial(_read, part, pending))
        for member in members:
            seen_in = {ENTERED: member.row.first_seen_run_id, MIGRATED: member.row.last_seen_run_id}
            is_new = seen_in.get(member.row.source) == run.pk
            held.add(member, match_record(replace(member, is_new=is_new), reference, around.shared))
        if len(kept) < portion(KEPT):
            kept |= {member.row.pk: member for member in members}
    waiting, disputed = _match(held, around, run)
    del held
    for clusters in batched(waiting, GROUPS_AT_ONCE):
        wanted = [pk for cluster in clusters for pk in cluster]
        missing = [pk for pk in wanted if pk not in kept]
        for member in with_retries(partial(_read, missing, pending)) if missing else ():
            kept[member.row.pk] = member
        for cluster in clusters:
            members = [kept.pop(pk) for pk in cluster]
            facility = next((m.row.facility_id for m in members if m.row.facility_id), None)
            group = Group(tuple(members), facility)
            if group.pending:
                yield replace(group, disputed=frozenset(group.numbers & disputed))


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    start = 0
    while part := ids[start : start + portion(READ_AT_ONCE)]:
        yield part
        start += len(part)


@dataclass(slots=True)
class _Held:
    """What is held of a county's records: the id of each and what matching looks at, and who of them waits.

    `changed` say something else than when they were loaded. `sealed` claim no registration number.
    """

    ids: list[int] = field(default_factory=list)
    outlines: list[MatchRecord] = field(default_factory=list)
    pending: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    sealed: set[int] = field(default_factory=set)

    def add(self, member: Member, outline: MatchRecord) -> None:
        pk = member.row.pk
        self.ids.append(pk)
        self.outlines.append(outline)
        if member.is_pending:
            self.pending.add(pk)
            if member.row.good_version_id:
                self.changed.add(pk)
        if member.record.is_confidential:
            self.sealed.add(pk)

    def claims(self, cluster: Sequence[int]) -> set[str]:
        """Return the registration numbers that the records of a cluster (places in the list) claim."""
        numbers = {self.outlines[place].registration_number for place in cluster if self.ids[place] not in self.sealed}
        return numbers - {""}


def _match(held: _Held, around: Surroundings, run: ImportRun) -> tuple[list[list[int]], set[str]]:
    """Return the ids of the records that are one place, where one of them waits, and the numbers that two places claim."""
    clusters, pairs = match_county(held.outlines, apart=around.separations.among(held.ids))
    with_retries(partial(_save_pairs, held, pairs, around.separations, run))
    claims = Counter(number for cluster in clusters for number in held.claims(cluster))
    disputed = {number for number in claims if claims[number] > 1 or number_index(number) in around.disputed}
    groups = ([held.ids[place] for place in cluster] for cluster in clusters)
    return [group for group in groups if not held.pending.isdisjoint(group)], disputed


def _save_pairs(held: _Held, pairs: Sequence[Pair], separations: Separations, run: ImportRun) -> None:
    with fenced(run):
        save_pairs(held.ids, pairs, changed=held.changed, separations=separations, run=run)


def _record_ids(county_code: str, sources: Sequence[str]) -> list[int]:
    """Return the records of a county that are pending or stand for a facility, and those elsewhere that share one.

    Table by table: joined, the plan hangs on how many versions the planner believes to be pending, and may be quadratic.
    """
    here = _Place.read(SourceRecord.objects.filter(county_code=county_code), sources)
    facilities = list({place.facility for place in here if place.facility})
    elsewhere = SourceRecord.objects.filter(facility__any=facilities).exclude(county_code=county_code)
    there = _Place.read(elsewhere, sources) if facilities else []
    return sorted(place.record for place in (*here, *there) if place.is_pending or place.is_standing)


class _Place(NamedTuple):
    """Where a record stands on its way to a facility."""

    record: int
    facility: int | None
    is_pending: bool
    is_standing: bool

    @classmethod
    def read(cls, rows: QuerySet[SourceRecord], sources: Sequence[str]) -> list[Self]:
        told = rows.annotate(is_standing=STANDING).order_by()
        found = list(told.values_list("pk", "facility", "is_standing", "source", "latest_version"))
        latest = [version for *_, source, version in found if source in sources]
        pending = SourceRecordVersion.objects.filter(pk__any=latest, state=State.PENDING).order_by()
        waiting = set(pending.values_list("pk", flat=True))
        return [cls(pk, facility, version in waiting, is_standing) for pk, facility, is_standing, _, version in found]


def _read(ids: Sequence[int], pending: Q) -> list[Member]:
    return read_members(SourceRecord.objects.filter(pk__any=ids), pending=pending)


def _pending(sources: Sequence[str]) -> Q:
    return Q(latest_version__state=State.PENDING, source__in=sources)


def _newly_standing(run: ImportRun) -> Q:
    """Return what stands for a facility since the last import, and was matched with nothing yet."""
    return Q(source=ENTERED, first_seen_run=run) | Q(source=MIGRATED, last_seen_run=run)
