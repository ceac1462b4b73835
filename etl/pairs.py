"""Duplicate pairs in the database: what matching found, refreshed where records change, never over a person's decision."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import batched

from django.db.models import Q

from etl.models import DuplicatePair, ImportRun, SourceRecord
from etl.stages.records import Pair, Verdict

Decision = DuplicatePair.Decision
AT_ONCE = 500  # pairs


@dataclass(frozen=True, slots=True)
class Separations:
    """What people told apart: pairs of source records, and with them the facilities that these stand for; ids in rising order."""

    records: frozenset[tuple[int, int]]
    facilities: frozenset[tuple[int, int]]

    def among(self, records: Sequence[int]) -> frozenset[tuple[int, int]]:
        """Return the separated pairs among these records, by their places in the sequence."""
        place_of = {record: place for place, record in enumerate(records)}
        known = (pair for pair in self.records if pair[0] in place_of and pair[1] in place_of)
        return frozenset((place_of[first], place_of[second]) for first, second in known)

    def parts(self, one: SourceRecord, other: SourceRecord) -> bool:
        """Return whether two records, or the facilities that they stand for, were told apart."""
        if _ids(one.pk, other.pk) in self.records:
            return True
        mine, theirs = one.facility_id, other.facility_id
        return mine is not None and theirs is not None and _ids(mine, theirs) in self.facilities


def read_separations() -> Separations:
    """Return every pair that a person told apart."""
    told_apart = DuplicatePair.objects.filter(decision=Decision.SEPARATE, decided_by__isnull=False)
    rows = list(told_apart.values_list("first", "second", "first__facility", "second__facility"))
    return Separations(
        records=frozenset((first, second) for first, second, _, _ in rows),
        facilities=frozenset(_ids(one, other) for _, _, one, other in rows if one and other and one != other),
    )


def save_pairs(
    records: Sequence[int],
    pairs: Sequence[Pair],
    *,
    changed: AbstractSet[int],
    separations: Separations,
    run: ImportRun,
) -> None:
    """Write the pairs that matching found among records, given by their ids; nothing is asked twice.

    What a person decided is never overwritten. An open pair of a record that changed is closed where the record no longer
    resembles the other.
    """
    found = {_ids(records[pair.first], records[pair.second]): pair for pair in pairs}
    if changed:
        _close(changed, except_for=found)
    for part in batched(sorted(found), AT_ONCE):  # a county may have ten thousands
        _save({ids: found[ids] for ids in part}, except_for=found, separations=separations, run=run)


def _close(changed: Collection[int], *, except_for: Collection[tuple[int, int]]) -> None:
    """Remove the open questions about records that changed which matching asks no more."""
    touching = DuplicatePair.objects.filter(Q(first__any=changed) | Q(second__any=changed), decision=Decision.TO_REVIEW)
    gone = [pk for pk, *ids in touching.values_list("pk", "first", "second") if tuple(ids) not in except_for]
    DuplicatePair.objects.filter(pk__any=gone).delete()


def _save(
    found: Mapping[tuple[int, int], Pair],
    *,
    except_for: Collection[tuple[int, int]],
    separations: Separations,
    run: ImportRun,
) -> None:
    known = {(pair.first_id, pair.second_id): pair for pair in DuplicatePair.objects.filter(_any_pair(found))}
    row_of = SourceRecord.objects.only("facility", "home").in_bulk({pk for ids in found for pk in ids})
    asked = _facilities_asked_about(row_of.values(), except_for=except_for)
    fresh = [
        _pair_row(ids, pair, run)
        for ids, pair in found.items()
        if not _is_settled(known.get(ids))
        and not (pair.verdict is Verdict.REVIEW and _person_joined(row_of[ids[0]], row_of[ids[1]]))
        and not (pair.verdict is Verdict.REVIEW and separations.parts(row_of[ids[0]], row_of[ids[1]]))
        and not (pair.verdict is Verdict.REVIEW and _facilities(row_of, ids) in asked)
    ]
    fresh = [row for row in fresh if not _says_the_same(known.get((row.first_id, row.second_id)), row)]
    DuplicatePair.objects.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=["first", "second"],
        update_fields=["score", "features", "reason", "decision", "run"],
    )


def _facilities_asked_about(
    rows: Collection[SourceRecord], *, except_for: Collection[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Return the pairs of facilities that another open pair already asks about."""
    facilities = {row.facility_id for row in rows if row.facility_id}
    pairs = DuplicatePair.objects.filter(decision=Decision.TO_REVIEW, first__facility__any=facilities)
    asked = pairs.values_list("first", "second", "first__facility", "second__facility")
    return {_ids(one, other) for first, second, one, other in asked if other and (first, second) not in except_for}


def _facilities(row_of: dict[int, SourceRecord], ids: tuple[int, int]) -> tuple[int, int] | None:
    one, other = (row_of[pk].facility_id for pk in ids)
    return _ids(one, other) if one and other and one != other else None


def _person_joined(one: SourceRecord, other: SourceRecord) -> bool:
    """Return whether a person merged the facilities that these two stood for: what contradicts that is known."""
    return one.facility_id is not None and one.facility_id == other.facility_id and one.home_id != other.home_id


def _is_settled(known: DuplicatePair | None) -> bool:
    return known is not None and known.decided_by_id is not None


def _says_the_same(known: DuplicatePair | None, row: DuplicatePair) -> bool:
    columns = ("score", "features", "reason", "decision")
    return known is not None and all(getattr(known, name) == getattr(row, name) for name in columns)


def _any_pair(ids: Collection[tuple[int, int]]) -> Q:
    firsts, seconds = [pair[0] for pair in ids], [pair[1] for pair in ids]
    return Q(first__any=firsts, second__any=seconds)


def _pair_row(ids: tuple[int, int], pair: Pair, run: ImportRun) -> DuplicatePair:
    first, second = ids
    decision = Decision.MERGED if pair.verdict is Verdict.MERGE else Decision.TO_REVIEW
    evidence = {"score": pair.score, "features": dict(pair.features), "reason": pair.reason}
    return DuplicatePair(first_id=first, second_id=second, run=run, decision=decision, **evidence)


def _ids(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
