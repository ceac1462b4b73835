"""What a person decides about duplicates: merge, tell apart, split. Each decision is one run and one transaction."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.audit import acting
from core.key_guard import check_keys
from core.models import User
from etl.batch import new_writer, write_groups
from etl.codes import find_facility
from etl.combining import absorb, close_requests, release, settle_class
from etl.decided_pairs import close_answered, mark_merged, own_record, part_records, tell_apart
from etl.entered import note_entered, only_entered, pin_entered
from etl.errors import DecisionError
from etl.facility_rows import PLACE_COLUMNS, column_of
from etl.groups import Group, Member, match_record, whole_groups
from etl.lock import fenced, import_lock, session_of
from etl.models import FieldChoice, ImportRun, SourceRecord
from etl.pairs import read_separations
from etl.reference import read_reference
from etl.resilience import with_retries
from etl.runs import close_run, open_run, rehearse, running
from etl.sources import ENTERED
from etl.stages.evidence import find_veto
from etl.stages.merge import CHOOSABLE, PLACE, fold, value_of
from etl.verifications import hand_over, hand_over_what_left, read_verifications, take_back
from facilities.models import Facility, RetiredCode


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did, or would do: the facilities that stand afterwards, and the codes that went or came back.

    `names` says what the codes of a merge stand for, `warnings` what speaks against it.
    """

    run: int | None
    action: str
    facilities: tuple[str, ...]
    retired: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    records_moved: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the object that `duplicates merge --json` prints."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class MergeOrder:
    """Facilities to merge, by code; `keep` is the one that stays; `choices`: field -> code of the facility whose word counts."""

    codes: tuple[str, ...]
    keep: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


def merge(order: MergeOrder, *, user: User, dry_run: bool = False) -> Decided:
    """Make one facility of several: their records stand for it, and the codes of the others keep resolving to it.

    Without `keep` the one in service that a list names stays, of several the most trusted list's, in whatever order. Raises
    DecisionError, UnknownFacilityError and LockHeldError.
    """
    return _decide("merge", partial(_merge, order), user=user, dry_run=dry_run, to_merge=_named(order))


def rehearse_merge[T](order: MergeOrder, *, user: User, look: Callable[[Facility], T]) -> tuple[Decided, T]:
    """Return what a merge would do, and what `look` makes of the facility that would stand; nothing stays written.

    Raises DecisionError, UnknownFacilityError and LockHeldError.
    """
    seen: list[T] = []

    def merge_and_look(run: ImportRun) -> Decided:
        decided = _merge(order, run)
        seen.append(look(find_facility(decided.facilities[0])))
        return decided

    return _decide("merge", merge_and_look, user=user, dry_run=True, to_merge=_named(order)), seen[-1]


def _named(order: MergeOrder) -> set[int]:
    codes = (*order.codes, *filter(None, (order.keep, *order.choices.values())))
    return {find_facility(code).pk for code in codes}


def separate(codes: Sequence[str], *, user: User, dry_run: bool = False) -> Decided:
    """Tell facilities apart for good: no import asks about them again, or brings their records together.

    Raises DecisionError, UnknownFacilityError and LockHeldError.
    """
    for code in codes:
        find_facility(code)
    return _decide("separate", partial(_separate, codes), user=user, dry_run=dry_run)


def split(code: str, records: Sequence[int] = (), *, user: User, dry_run: bool = False) -> Decided:
    """Take a merge back: a retired code becomes the facility that it was, a facility's own code takes out all it absorbed.

    With `records` (numbers of source records) these become a facility of their own. What is split is told apart for good.
    Raises DecisionError, UnknownFacilityError and LockHeldError.
    """
    find_facility(code)
    return _decide("split", partial(_split, code, records), user=user, dry_run=dry_run)


def survivor_of(codes: Sequence[str]) -> str:
    """Return the code of the facility that a merge would keep."""
    groups = whole_groups([find_facility(code).pk for code in codes])
    facilities = Facility.objects.in_bulk(groups)
    return _survivor({facilities[pk]: group for pk, group in groups.items()}, "").facility_code


def _decide(
    action: str,
    work: Callable[[ImportRun], Decided],
    *,
    user: User,
    dry_run: bool = False,
    to_merge: Collection[int] = (),
) -> Decided:
    def decide() -> Decided:
        run = open_run(ImportRun.Kind.REVIEW, user=user, options={"action": action})
        with running(run):
            with acting(user.pk, f"entered:{run.pk}"):  # not in the session that a split goes back behind
                note_entered(run)
                pin_entered(only_entered(to_merge))  # also what a pin was taken off is to come back
            with fenced(run):
                decided = work(run)
            summary = {"decision": decided.as_json() | {"names": {}}}  # a name may be one to hide tomorrow
            with_retries(partial(close_run, run, status=ImportRun.Status.SUCCEEDED, summary=summary))
        return decided

    with import_lock():
        check_keys()
        return replace(rehearse(decide), run=None) if dry_run else decide()


# merging


def _merge(order: MergeOrder, run: ImportRun) -> Decided:
    groups = _groups_of(order.codes)
    if len(groups) < 2:
        raise DecisionError("these codes name one facility: name two or more that are to become one")
    names = {facility.facility_code: f"{facility.facility_name}, {facility.county}" for facility in groups}
    warnings = tuple(_find_warnings(groups))
    survivor = _survivor(groups, order.keep)
    others = [facility for facility in groups if facility != survivor]
    waived = _note_choices(order.choices, groups, survivor, run.started_by)
    mark_merged(groups, run)
    moved = sum(len(groups[facility].members) for facility in others)
    verified = read_verifications(facility.pk for facility in groups)
    for facility in others:
        absorb(facility, survivor, session=session_of(run), user=run.started_by, waived=waived)
    _fold([survivor.pk], run)
    hand_over(verified, to=survivor.pk)
    close_answered(survivor)
    retired = tuple(sorted(facility.facility_code for facility in others))
    return Decided(
        run.pk, "merge", (survivor.facility_code,), retired=retired, records_moved=moved, names=names, warnings=warnings
    )


def _find_warnings(groups: Mapping[Facility, Group]) -> Iterator[str]:
    """Yield what speaks against a merge that a person asked for: a veto, or an earlier word."""
    told_apart, reference = read_separations().facilities, read_reference()
    for one, other in combinations(groups, 2):
        codes = f"{one.facility_code} and {other.facility_code}"
        records = (match_record(own_record(groups[side]), reference, frozenset()) for side in (one, other))
        if veto := find_veto(*records):
            yield f"{codes}: {veto}"
        if tuple(sorted((one.pk, other.pk))) in told_apart:
            yield f"{codes}: a person told them apart before"


def _groups_of(codes: Iterable[str]) -> dict[Facility, Group]:
    """Return the facilities of these codes, locked, each once, with their source records."""
    found = {find_facility(code).pk for code in codes}
    facilities = Facility.objects.filter(pk__in=found).order_by("pk").select_for_update()
    groups = whole_groups(found)
    return {facility: groups[facility.pk] for facility in facilities}


def _survivor(groups: Mapping[Facility, Group], keep: str) -> Facility:
    if keep:
        wanted = find_facility(keep)
        if wanted not in groups:
            raise DecisionError(f"{wanted.facility_code} is none of the facilities to merge")
        return next(facility for facility in groups if facility == wanted)

    def rank(facility: Facility) -> tuple[Any, ...]:
        is_only_entered = all(member.row.source == ENTERED for member in groups[facility].members)
        return not facility.is_active, is_only_entered, *_founding_rank(groups[facility]), facility.pk

    return min(groups, key=rank)


def _founding_rank(group: Group) -> tuple[int, str, str]:
    ranks = ((m.contributor.precedence, m.row.key, m.record.facility_code) for m in group.members)
    return min(ranks)


def _note_choices(
    choices: Mapping[str, str], groups: Mapping[Facility, Group], survivor: Facility, user: User
) -> frozenset[str]:
    """Write down whose word counts for which field; return the pins that give way to it."""
    waived = set()
    for name, code in choices.items():
        if name not in CHOOSABLE:
            raise DecisionError(f"there is no field '{name}' to choose: take one of {', '.join(CHOOSABLE)}")
        facility = find_facility(code)
        if facility not in groups:
            raise DecisionError(f"{facility.facility_code} is none of the facilities to merge")
        columns = columns_of(name)
        if facility != survivor and survivor.pins.filter(target__in=columns).exists():
            message = (
                f"{name} is pinned on {survivor.facility_code}: take the pin off there, or keep the other facility"
            )
            raise DecisionError(message)
        member = _who_says(groups[facility], name)
        is_pinned = facility.pins.filter(target__in=columns).exists()
        if member is None and not is_pinned:
            raise DecisionError(
                f"{facility.facility_code} says nothing of {name}: choose the other side's word, or none"
            )
        if member and not is_pinned:
            FieldChoice.objects.update_or_create(
                source_record_id=member.row.pk,
                field=name,
                defaults={"chosen_by": user, "chosen_at": timezone.now()},
            )
        if not is_pinned:
            waived |= columns
    return frozenset(waived)


def _who_says(group: Group, name: str) -> Member | None:
    """Return the source record whose word the facility has for a field."""
    golden = value_of(fold(group.contributors), name)
    if golden in (None, ""):
        return None
    return next((member for member in group.members if value_of(member.record, name) == golden), None)


def columns_of(name: str) -> set[str]:
    """Return the columns, or the pin's target, of a field that sources are chosen for."""
    return set(PLACE_COLUMNS) if name == PLACE else {column_of(name)}


def _fold(facilities: Iterable[int], run: ImportRun) -> None:
    """Fold facilities anew from the records that stand for them."""
    groups = whole_groups(facilities)
    write_groups([groups[pk] for pk in sorted(groups)], new_writer(run), run)


# telling apart


def _separate(codes: Sequence[str], run: ImportRun) -> Decided:
    groups = _groups_of(codes)
    if len(groups) < 2:
        raise DecisionError("these codes name one facility: use `duplicates split` to take it apart")
    for one, other in combinations(groups, 2):
        tell_apart(groups[one].members, groups[other].members, run)
    return Decided(run.pk, "separate", tuple(facility.facility_code for facility in groups))


# splitting


def _split(code: str, records: Sequence[int], run: ImportRun) -> Decided:
    facility = find_facility(code)
    if records:
        return _split_records(facility, records, run)
    wanted = code.strip().upper()
    parts = list(RetiredCode.objects.filter(facility=facility).order_by("pk"))
    chosen = [part for part in parts if part.retired_code == wanted] or parts
    if not chosen:
        numbers = ", ".join(f"{m.row.pk} ({m.row.source})" for m in whole_groups([facility.pk])[facility.pk].members)
        raise DecisionError(
            f"nobody merged anything into {facility.facility_code}; name the records to take out: {numbers}"
        )
    codes = tuple(part.retired_code for part in chosen)
    moved = 0
    released = []
    for part in chosen:
        members = whole_groups([facility.pk])[facility.pk].members
        leaving = [member for member in members if member.row.home_id == part.pk]
        moved += len(leaving)
        back, own = release(part)
        released.append(back.pk)
        take_back(facility.pk, back=back.pk, session=part.session_id)
        part_records(leaving, [member for member in members if member not in leaving], run)
    _fold([facility.pk, *released], run)
    settle_class(facility, own=own)
    _take_withdrawn_out_of_service([facility.pk, *released])
    return Decided(run.pk, "split", (facility.facility_code, *codes), restored=codes, records_moved=moved)


def _take_withdrawn_out_of_service(facilities: Sequence[int]) -> None:
    """Take out of service what has only records that were withdrawn while it was part of another facility."""
    standing = SourceRecord.objects.filter(facility=OuterRef("pk"), withdrawn_in__isnull=True)
    gone = Facility.objects.filter(~Exists(standing), pk__in=facilities, is_active=True)
    gone.exclude(pins__target="is_active").update(is_active=False)


def _split_records(facility: Facility, records: Sequence[int], run: ImportRun) -> Decided:
    group = whole_groups([facility.pk])[facility.pk]
    chosen = [member for member in group.members if member.row.pk in set(records)]
    rest = [member for member in group.members if member not in chosen]
    if unknown := set(records) - {member.row.pk for member in chosen}:
        raise DecisionError(f"record {min(unknown)} does not stand for {facility.facility_code}: see `duplicates show`")
    if any(member.row.source == ENTERED for member in chosen):
        raise DecisionError(
            "what a person entered is the facility itself: name the records of sources to take out of it"
        )
    if any(member.row.home_id for member in chosen):
        came_with = RetiredCode.objects.get(pk=next(m.row.home_id for m in chosen if m.row.home_id)).retired_code
        raise DecisionError(f"these came with {came_with}: take that out first (`duplicates split {came_with}`)")
    if not any(member.row.home_id is None for member in rest):
        raise DecisionError(
            f"nothing of {facility.facility_code} itself would be left: name the code to take out instead"
        )
    verified = read_verifications([facility.pk])
    ids = write_groups([Group(tuple(rest), facility.pk), Group(tuple(chosen), None)], new_writer(run), run)
    new = Facility.objects.get(pk=ids[1])
    hand_over_what_left(verified, left=facility.pk, to=new.pk)
    SourceRecord.objects.filter(pk__in=[m.row.pk for m in chosen]).update(facility=new)
    facility.refresh_from_db()
    if facility.is_confidential:
        new.is_confidential = True  # what leaves it stays hidden, too, until two people say otherwise
        new.save(update_fields=["is_confidential"])
    close_requests([facility.pk])
    part_records(chosen, rest, run)
    _take_withdrawn_out_of_service(ids)
    codes = facility.facility_code, new.facility_code
    return Decided(run.pk, "split", codes, restored=(new.facility_code,), records_moved=len(chosen))
