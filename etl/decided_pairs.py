"""The pairs of a decision: merged or told apart by a person, closed where that answers them, asked again after a split."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product

from django.db.models import Q, QuerySet
from django.utils import timezone

from etl.groups import Group, Member
from etl.models import DuplicatePair, ImportRun
from etl.pairs import Decision, read_separations
from facilities.models import Facility

MOST_PAIRED = 400  # pairs of records for one word on two facilities; of more, each with the first of the other side


def mark_merged(groups: Mapping[Facility, Group], run: ImportRun) -> None:
    """Mark the pairs between facilities as merged by a person; between any two there is one at least.

    What was told apart of records that others brought along stays so: that word was not about these.
    """
    now = {"decision": Decision.MERGED, "decided_by": run.started_by, "decided_at": timezone.now()}
    told_apart = Q(decision=Decision.SEPARATE, decided_by__isnull=False)
    came_along = Q(first__home__isnull=False) | Q(second__home__isnull=False)
    for one, other in combinations(groups, 2):
        between = _pairs_between(one.pk, other.pk)
        if not between.exclude(told_apart & came_along).update(**now):
            pair = own_record(groups[one]), own_record(groups[other])
            _write_decided([_decided_pair(*pair, Decision.MERGED, "a person merged them", run)])


def own_record(group: Group) -> Member:
    """Return a record that a facility had before it absorbed others."""
    return next((member for member in group.members if member.row.home_id is None), group.members[0])


def _pairs_between(one: int, other: int) -> QuerySet[DuplicatePair]:
    """Return the pairs of a record of one facility with one of the other."""
    return DuplicatePair.objects.filter(
        Q(first__facility=one, second__facility=other) | Q(first__facility=other, second__facility=one)
    )


def close_answered(facility: Facility) -> None:
    """Close open questions about a facility that earlier words on its parts answer; a split asks them again."""
    apart = read_separations().facilities
    of_facility = Q(first__facility=facility) | Q(second__facility=facility)
    for pair in DuplicatePair.objects.filter(of_facility, decision=Decision.TO_REVIEW).select_related(
        "first", "second"
    ):
        one, other = sorted((pair.first.facility_id or 0, pair.second.facility_id or 0))
        if (one, other) in apart:
            pair.decision = Decision.SEPARATE
            pair.save(update_fields=["decision"])


def tell_apart(ones: Sequence[Member], others: Sequence[Member], run: ImportRun) -> None:
    """Mark the pairs between two sets of records, so that the word holds whichever of them stand for what later."""
    if len(ones) * len(others) > MOST_PAIRED:
        crossing = [(one, others[0]) for one in ones] + [(ones[0], other) for other in others[1:]]
    else:
        crossing = list(product(ones, others))
    rows = [_decided_pair(one, other, Decision.SEPARATE, "a person told them apart", run) for one, other in crossing]
    _write_decided(rows)


def _decided_pair(one: Member, other: Member, decision: str, reason: str, run: ImportRun) -> DuplicatePair:
    first, second = sorted((one.row.pk, other.row.pk))
    return DuplicatePair(
        first_id=first, second_id=second, score=0.0, reason=reason, run=run,
        decision=decision, decided_by=run.started_by, decided_at=timezone.now(),
    )  # fmt: skip


def _write_decided(rows: Sequence[DuplicatePair]) -> None:
    """Write decisions; a pair that matching had scored keeps its score and its reason."""
    DuplicatePair.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["first", "second"],
        update_fields=["decision", "decided_by", "decided_at"],
        batch_size=1000,
    )
    if rows:
        unscored = DuplicatePair.objects.filter(features={}, first__in=[row.first_id for row in rows])
        unscored.filter(decision=rows[0].decision).update(reason=rows[0].reason)


def part_records(ones: Sequence[Member], others: Sequence[Member], run: ImportRun) -> None:
    """Tell what was split apart; what a person had merged it with that was merged in, too, is asked about again."""
    own = [member for member in others if member.row.home_id is None]
    tell_apart(ones, own, run)
    mine, rest = [m.row.pk for m in ones], [m.row.pk for m in others if m.row.home_id is not None]
    crossing = Q(first__in=mine, second__in=rest) | Q(first__in=rest, second__in=mine)
    merged = DuplicatePair.objects.filter(crossing, decision=Decision.MERGED)
    merged.filter(features={}).delete()  # a person's word alone, with no evidence to ask about
    merged.update(decision=Decision.TO_REVIEW, decided_by=None, decided_at=None)
    closed = DuplicatePair.objects.filter(Q(first__in=mine) | Q(second__in=mine), decision=Decision.SEPARATE)
    closed.filter(decided_by__isnull=True).update(decision=Decision.TO_REVIEW)
