"""Duplicate pairs in the database: what matching found, refreshed where records change, never over a person's decision."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations

from django.db.models import Count, Q

from etl.models import DuplicatePair, ImportRun, SourceRecord
from etl.stages.dedupe import Pair, Verdict


def save_pairs(
    rows: Sequence[SourceRecord], pairs: Sequence[Pair], *, changed: AbstractSet[int], run: ImportRun
) -> None:
    """Write the pairs that matching found; what a person decided is never overwritten.

    An open pair of a record that changed is closed where the record no longer resembles the other.
    """
    found = {tuple(sorted((rows[pair.first].pk, rows[pair.second].pk))): pair for pair in pairs}
    if not found and not changed:
        return
    touching = DuplicatePair.objects.filter(Q(first__in=changed) | Q(second__in=changed) | _any_pair(found))
    known = {(pair.first_id, pair.second_id): pair for pair in touching}
    open_pairs = {ids for ids, pair in known.items() if pair.decision == DuplicatePair.Decision.TO_REVIEW}
    gone = [known[ids].pk for ids in open_pairs - found.keys() if changed & set(ids)]
    DuplicatePair.objects.filter(pk__in=gone).delete()
    pair_rows = [
        _pair_row(ids, pair, run)
        for ids, pair in found.items()
        if ids not in known or known[ids].decision != DuplicatePair.Decision.SEPARATE
    ]
    pair_rows = [row for row in pair_rows if not _says_the_same(known.get((row.first_id, row.second_id)), row)]
    DuplicatePair.objects.bulk_create(
        pair_rows,
        update_conflicts=True,
        unique_fields=["first", "second"],
        update_fields=["score", "features", "decision", "run"],
    )


def _says_the_same(known: DuplicatePair | None, row: DuplicatePair) -> bool:
    return known is not None and all(getattr(known, n) == getattr(row, n) for n in ("score", "features", "decision"))


def _any_pair(ids: Iterable[tuple[int, ...]]) -> Q:
    firsts, seconds = [pair[0] for pair in ids], [pair[1] for pair in ids]
    return Q(first__in=firsts, second__in=seconds)


def _pair_row(ids: tuple[int, ...], pair: Pair, run: ImportRun) -> DuplicatePair:
    decision = DuplicatePair.Decision.MERGED if pair.verdict is Verdict.MERGE else DuplicatePair.Decision.TO_REVIEW
    features = {**pair.features, "reason": pair.reason}
    first, second = ids
    return DuplicatePair(
        first_id=first, second_id=second, score=pair.score, features=features, decision=decision, run=run
    )


def pair_across_counties(run: ImportRun) -> None:
    """Put pairs up for review because one national facility code stands in two counties."""
    loaded = SourceRecord.objects.filter(facility__isnull=False).exclude(identifier="")
    codes = (
        loaded.values("identifier")
        .annotate(counties=Count("county_code", distinct=True))
        .filter(counties__gt=1)
        .values("identifier")
    )
    holders: dict[str, list[SourceRecord]] = defaultdict(list)
    for row in loaded.filter(identifier__in=codes).order_by("pk"):
        holders[row.identifier].append(row)
    rows = [
        DuplicatePair(
            first=one, second=other, score=0.0, run=run, decision=DuplicatePair.Decision.TO_REVIEW,
            features={"reason": "one national facility code in two counties"},
        )
        for records in holders.values()
        for one, other in combinations(records, 2)
        if one.county_code != other.county_code and one.facility_id != other.facility_id
    ]  # fmt: skip
    DuplicatePair.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
