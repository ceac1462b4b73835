"""Which records are one place: candidates without loss, judged on evidence, grouped so that nothing vetoed comes together."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from etl.stages.candidates import FEW, find_candidates, find_namesakes, shared
from etl.stages.evidence import InBulk, find_veto, judge
from etl.stages.records import MatchRecord, Pair, Verdict

CROWD = 200  # places of one constituency with the same own words: a hostile file, or a list of "Clinic"
MOST_ASKED = 20  # questions about one record that a person is asked at a time, the best first


def match_county(
    records: Sequence[MatchRecord], *, apart: AbstractSet[tuple[int, int]] = frozenset()
) -> tuple[list[list[int]], list[Pair]]:
    """Return the clusters of a county's records (lists of indexes) and the pairs that merged or want a person.

    A cluster never holds two existing facilities, nor two records that a veto parts, nor two that a person told apart
    (`apart`, pairs of indexes): what would bring such together merges with nothing and goes to review. Of the many pairs of
    two clusters, one is asked about.
    """
    order = sorted(range(len(records)), key=lambda index: records[index].order)
    ranked = [records[index] for index in order]
    rank_of = {index: rank for rank, index in enumerate(order)}
    matching = _Matching(ranked, {_in_order(rank_of[one], rank_of[other]) for one, other in apart})
    clusters, pairs = matching.run()
    return (
        [[order[rank] for rank in cluster] for cluster in clusters],
        [replace(pair, first=order[pair.first], second=order[pair.second]) for pair in pairs],
    )


class _Matching:
    """The matching of records that stand in the order of their rank: the same in whatever order they came."""

    def __init__(self, records: Sequence[MatchRecord], apart: AbstractSet[tuple[int, int]]) -> None:
        self._records = records
        self._apart = apart
        self._told_apart: dict[int, list[int]] = defaultdict(list)
        for one, other in apart:
            self._told_apart[one].append(other)
        self._home = _homes(records)  # by record: the first one that it belongs to from the start
        self._facility = {
            home: r.facility for home, r in zip(self._home, records, strict=True) if r.facility is not None
        }
        self._joins: list[Pair] = []  # pairs that merge: what spans them, and spans the newcomers among them
        self._would_join, self._questions = _Questions(), _Questions()

    def run(self) -> tuple[list[list[int]], list[Pair]]:
        joined, newcomers = _Sets(self._home), _Sets(self._home)
        for pair in self._judged():
            if pair.verdict is Verdict.REVIEW:
                self._questions.add(pair)
            elif pair.verdict is Verdict.MERGE:
                self._would_join.add(pair)
                is_needed = joined.join(pair.first, pair.second)
                if self._is_newcomer(pair.first) and self._is_newcomer(pair.second):
                    is_needed |= newcomers.join(pair.first, pair.second)
                if is_needed:
                    self._joins.append(pair)
        final = _Sets(self._home)
        for members in joined.as_lists():
            self._settle(members, newcomers, final)
        return final.as_lists(), self._answers(final)

    def _is_newcomer(self, index: int) -> bool:
        return self._home[index] not in self._facility

    def _judged(self) -> Iterator[Pair]:
        for first, second in self._to_judge():
            yield judge(self._records[first], self._records[second], first=first, second=second)

    def _to_judge(self) -> Iterator[tuple[int, int]]:
        """Yield each pair that may be anything but distinct, once."""
        twins = _twins(self._records)
        records = [self._records[first] for first in twins]
        firsts = np.array(list(twins), dtype=np.intp)
        homes = np.array([self._home[first] for first in firsts], dtype=np.intp)
        in_bulk = InBulk(records)
        seen: set[tuple[int, int]] = set()
        for one, other in self._by_identity(twins):
            pair = _in_order(one, other)
            if pair not in seen:
                seen.add(pair)
                yield pair
        crowd = _find_crowds(records, homes)
        for candidates in chain(find_candidates(records, homes.tolist()), find_namesakes(records)):
            is_kept = homes[candidates.first] != homes[candidates.second]
            if not candidates.share_contact:  # a name that so many bear tells none from another
                is_kept &= (crowd[candidates.first] != crowd[candidates.second]) | (crowd[candidates.first] < 0)
            ones, others = candidates.first[is_kept], candidates.second[is_kept]
            if not candidates.share_contact:
                is_kept = in_bulk.may_be_one(ones, others)
                ones, others = ones[is_kept], others[is_kept]
            for pair in zip(firsts[ones].tolist(), firsts[others].tolist(), strict=True):
                if pair not in seen:
                    seen.add(pair)
                    yield pair

    def _by_identity(self, twins: Mapping[int, Sequence[int]]) -> Iterator[tuple[int, int]]:
        """Yield pairs that are looked at whatever their score: twins, and those that have in common what may decide.

        That is a national code, a facility, a natural key or a private contact.
        """
        yield from (
            (first, other) for first in twins for other in twins[first] if self._home[first] != self._home[other]
        )
        for group in self._groups_by_identity(twins):
            for one, other in _pairs_of(group):
                is_new = self._records[one].is_new or self._records[other].is_new
                if is_new and self._records[one].code != self._records[other].code:
                    yield one, other

    def _groups_by_identity(self, twins: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
        """Yield the records that have one of these in common, one kind after another: of a large county each takes room."""
        records = self._records
        for kind in (lambda r: r.identifier, lambda r: r.facility, lambda r: (r.source, r.key)):
            known = [place for place, record in enumerate(records) if kind(record) not in ("", None)]
            for group in shared(kind(records[place]) for place in known):
                yield [known[place] for place in group]
        given = [(index, contact) for index in twins for contact in sorted(records[index].contacts)]
        for group in shared(contact for _, contact in given):
            yield [given[place][0] for place in group]

    def _settle(self, members: Sequence[int], newcomers: "_Sets", final: "_Sets") -> None:
        """Bring together what may be: all of them, or, where they would join facilities, what is new among itself."""
        facilities = {self._facility.get(self._home[index]) for index in members} - {None}
        if self._holds_veto(members):
            return
        if len(facilities) <= 1:
            final.join_all(members)
            return
        parts: dict[int, list[int]] = defaultdict(list)
        for index in members:
            if self._is_newcomer(index):
                parts[newcomers.root(index)].append(index)
        for part in parts.values():
            final.join_all(part)

    def _holds_veto(self, members: Sequence[int]) -> bool:
        """Return whether two members of different homes are parted by a veto or by a person; alike ones are looked at once."""
        if len(members) == 1:
            return False
        chosen = set(members)
        if any(
            other in chosen and self._home[one] != self._home[other]
            for one in members
            for other in self._told_apart.get(one, ())
        ):
            return True
        homes: dict[tuple[object, ...], set[int]] = defaultdict(set)
        first_of: dict[tuple[object, ...], int] = {}
        for index in members:
            record = self._records[index]
            kind = record.kind, record.county, record.identifier, record.name
            homes[kind].add(self._home[index])
            first_of.setdefault(kind, index)
        return any(
            len(homes[one] | homes[other]) > 1
            and find_veto(self._records[first_of[one]], self._records[first_of[other]])
            for one, other in combinations(homes, 2)
        )

    def _answers(self, final: "_Sets") -> list[Pair]:
        """Return the pairs that merged, and of each two clusters that no person told apart the best question."""
        merged = [pair for pair in self._joins if final.root(pair.first) == final.root(pair.second)]
        for pair in self._would_join.best():
            if final.root(pair.first) == final.root(pair.second):
                continue
            facilities = {self._facility.get(self._home[index]) for index in (pair.first, pair.second)}
            stand = len(facilities) > 1 and None not in facilities
            why = "both stand in the registry already" if stand else "they would join what is apart"
            reason = f"{pair.reason}, but {why}"
            self._questions.add(replace(pair, verdict=Verdict.REVIEW, reason=reason))
        told_apart = {_in_order(final.root(one), final.root(other)) for one, other in self._apart}
        asked: dict[tuple[int, int], Pair] = {}
        for pair in self._questions.best():
            roots = _in_order(final.root(pair.first), final.root(pair.second))
            is_inside = roots[0] == roots[1]
            if roots in told_apart or (is_inside and not pair.veto):
                continue  # decided, or answered by what merged; a contradiction inside a facility stays visible
            asked.setdefault((pair.first, pair.second) if is_inside else roots, pair)
        return merged + list(asked.values())


class _Sets:
    """Disjoint sets of indexes, each named by its smallest; `homes` are together from the start."""

    def __init__(self, homes: Sequence[int]) -> None:
        self._parent = list(homes)

    def root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> bool:
        """Return whether they were apart until now."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low
        return low != high

    def join_all(self, members: Iterable[int]) -> None:
        first, *others = members
        for other in others:
            self.join(first, other)

    def as_lists(self) -> list[list[int]]:
        sets: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self._parent)):
            sets[self.root(index)].append(index)
        return list(sets.values())


class _Questions:
    """What a person is asked: of each record the MOST_ASKED best, so that 2,000 like records do not ask 2,000,000 times."""

    def __init__(self) -> None:
        self._of_record: dict[int, list[tuple[float, int, int, Pair]]] = defaultdict(list)

    def add(self, pair: Pair) -> None:
        entry = (pair.score, -pair.first, -pair.second, pair)
        for index in (pair.first, pair.second):
            heap = self._of_record[index]
            if len(heap) < MOST_ASKED:
                heapq.heappush(heap, entry)
            elif entry[:3] > heap[0][:3]:
                heapq.heapreplace(heap, entry)

    def best(self) -> list[Pair]:
        """Return them, the best score first."""
        pairs = {(entry[3].first, entry[3].second): entry[3] for heap in self._of_record.values() for entry in heap}
        return sorted(pairs.values(), key=lambda pair: (-pair.score, pair.first, pair.second))


def _homes(records: Sequence[MatchRecord]) -> list[int]:
    """Return for each record the first one of its facility, or of those that would found the same code."""
    facility_of_code = {record.code: record.facility for record in records if record.facility is not None}
    first_of: dict[int | str, int] = {}
    homes = []
    for index, record in enumerate(records):
        facility = record.facility if record.facility is not None else facility_of_code.get(record.code)
        homes.append(first_of.setdefault(record.code if facility is None else facility, index))
    return homes


def _find_crowds(records: Sequence[MatchRecord], homes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each record a number of its name's own words if more than CROWD places bear them there, else -1."""
    crowds = np.full(len(records), -1, dtype=np.intp)
    groups = shared((record.county, record.constituency, record.name.core) for record in records)
    for number, group in enumerate(groups):
        if len(set(homes[group].tolist())) > CROWD:
            crowds[group] = number
    return crowds


def _twins(records: Sequence[MatchRecord]) -> dict[int, Sequence[int]]:
    """Return the records that differ in nothing that matching looks at, by the first of them.

    What holds of a pair with the first holds with every twin; the first is a new one where one is.
    """
    twins: dict[int, Sequence[int]] = dict.fromkeys(range(len(records)), ())
    for group in shared(map(_what_matching_looks_at, records)):
        first = next((index for index in group if records[index].is_new), group[0])
        others = [index for index in group if index != first]
        for index in others:
            del twins[index]
        twins[first] = others
    return twins


def _what_matching_looks_at(record: MatchRecord) -> tuple[object, ...]:
    return (
        record.source, record.name, record.facility_type, record.kind, record.county, record.constituency, record.ward,
        record.identifier, record.registration_number, record.point, record.blur_km, record.contacts, record.emails,
        record.is_missing, record.is_hidden,
    )  # fmt: skip


def _pairs_of(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield all pairs of a few records; of many, each with the first: one code on 1,000 records makes 999 pairs."""
    if len(indexes) <= FEW:
        yield from combinations(indexes, 2)
    else:
        yield from ((indexes[0], other) for other in indexes[1:])


def _in_order(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
