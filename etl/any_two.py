"""Any two facilities beside one another: what matching makes of them today, and why it did not make them one."""

from itertools import islice, product

from django.db.models import Q

from etl.errors import DecisionError
from etl.groups import Member, match_record, shared_contacts, whole_groups
from etl.models import DuplicatePair, SourceRecord
from etl.reference import read_reference
from etl.stages.evidence import MERGE_AT, REVIEW_AT, judge, weigh
from etl.stages.records import Pair, Verdict
from facilities.models import Facility

MOST_JUDGED = 400  # pairs of their records
_RANK = {Verdict.MERGE: 2, Verdict.REVIEW: 1, Verdict.DISTINCT: 0}


def pair_of(one: Facility, other: Facility) -> tuple[DuplicatePair, str]:
    """Return the two as a pair that is not saved, and in words why they are two.

    Of the records that stand for them those count that speak loudest for one place. Raises DecisionError where one stands for
    none, or both are one.
    """
    if one.pk == other.pk:
        raise DecisionError("these codes name one facility: choose two")
    groups = whole_groups([one.pk, other.pk])
    if not (one.pk in groups and other.pk in groups):
        raise DecisionError("one of them stands for no source record: there is nothing to compare")
    mine, theirs, verdict = _loudest(groups[one.pk].members, groups[other.pk].members)
    records = SourceRecord.objects.select_related("facility").in_bulk([mine.row.pk, theirs.row.pk])
    pair = DuplicatePair(
        first=records[mine.row.pk],
        second=records[theirs.row.pk],
        score=verdict.score,
        features=dict(verdict.features),
        reason=verdict.veto or verdict.reason,
        decision=DuplicatePair.Decision.TO_REVIEW,
    )
    return pair, _why_two(verdict, known_between(one, other))


def known_between(one: Facility, other: Facility) -> DuplicatePair | None:
    """Return the pair of records of these two that the queue knows, one that is open or that a person decided first."""
    between = Q(first__facility=one, second__facility=other) | Q(first__facility=other, second__facility=one)
    return DuplicatePair.objects.filter(between).order_by("-decision", "-score").first()


def _loudest(ones: tuple[Member, ...], others: tuple[Member, ...]) -> tuple[Member, Member, Pair]:
    """Return the two records that matching takes most for one place, and its verdict; a veto's features are weighed, too."""
    reference, shared = read_reference(), shared_contacts()
    read = {member: match_record(member, reference, shared) for member in (*ones, *others)}
    judged = [(a, b, judge(read[a], read[b])) for a, b in islice(product(ones, others), MOST_JUDGED)]
    mine, theirs, verdict = max(judged, key=lambda found: (_RANK[found[2].verdict], found[2].score))
    if verdict.features:
        return mine, theirs, verdict
    parts = weigh(read[mine], read[theirs])
    score = round(min(1.0, max(0.0, sum(parts.values()))), 4)
    return mine, theirs, Pair(0, 1, score, verdict.verdict, verdict.reason, parts, verdict.veto)


def _why_two(verdict: Pair, known: DuplicatePair | None) -> str:
    """Return why matching left them two, in words."""
    if known and known.decision == DuplicatePair.Decision.SEPARATE:
        return "A person told them apart: no import asks again." if known.decided_by_id else "They were told apart."
    if verdict.veto and verdict.verdict is Verdict.DISTINCT:
        return (
            "Matching never takes them for one then, whatever else speaks for it. The score is what the rest comes to."
        )
    if verdict.verdict is Verdict.DISTINCT:
        return f"Too little speaks for one place: below {REVIEW_AT:.2f} nobody is asked, from {MERGE_AT:.2f} on they merge."
    if known:
        return "Matching asks about them."
    return "Matching would ask about them, or merge them, when one of their records changes; it looks at changed records only."
