"""Duplicates: candidate pairs without loss, an explained verdict on each, and clusters that no veto stands against.

`similarity` is the document's weighted score; it only chooses candidates. `judge` decides on evidence.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

import numpy as np
from rapidfuzz import fuzz, process

from etl.stages.names import FacilityName
from geography.distance import distance_km

# The document's weights and threshold. A part for which either side has no evidence is left out and the others count more.
NAME_WEIGHT, LOCATION_WEIGHT, CONTACT_WEIGHT = 0.5, 0.3, 0.2
THRESHOLD = 0.8
ROUNDING = 1e-9  # two equal facilities without contacts score 0.8 exactly

SAME_WORD = 85  # rapidfuzz ratio, 0..100, at which two words may be one misspelt
NEAR_KM = 0.5
APART_KM = 5.0
FEW = 20
CELLS_AT_ONCE = 4_000_000  # of the matrix of names: 16 MB of float32


class Verdict(StrEnum):
    """The three answers."""

    MERGE = "merge"
    REVIEW = "review"
    DISTINCT = "distinct"


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """What matching looks at of one source record; `code` is the facility code that it would found.

    `order` (source precedence, key, code, occurrence) ranks records the same way on every machine. `facility` is the facility it
    already stands for. `contacts` are private ones only, in any stable form; shared numbers weigh nothing and are left out.
    """

    order: tuple[int, str, str, int]
    source: str
    key: str
    code: str
    facility: int | None
    is_new: bool
    name: FacilityName
    facility_type: str
    kind: str
    county: str
    constituency: str = ""
    ward: str = ""
    identifier: str = ""
    point: tuple[float, float] | None = None
    contacts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records (by their place in the county's list), the verdict and what it rests on; scores 0..1."""

    first: int
    second: int
    score: float
    verdict: Verdict
    reason: str
    features: Mapping[str, float] = field(default_factory=dict)


def match_county(records: Sequence[MatchRecord]) -> tuple[list[list[int]], list[Pair]]:
    """Return the clusters of a county's records (lists of indexes) and every pair that merged or wants a person.

    A cluster never holds two existing facilities, nor two records that a veto parts; such pairs go to review.
    """
    pairs = [judge(records, first, second) for first, second in find_candidates(records)]
    wanted = sorted(
        (pair for pair in pairs if pair.verdict is Verdict.MERGE),
        key=lambda pair: (-pair.score, *sorted((records[pair.first].order, records[pair.second].order))),
    )
    clusters = _Clusters(records)
    refused = [pair for pair in wanted if not clusters.join(pair.first, pair.second)]
    refused_pairs = {(pair.first, pair.second) for pair in refused}
    for_people = [
        Pair(
            pair.first,
            pair.second,
            pair.score,
            Verdict.REVIEW,
            f"{pair.reason}, but they would join what is apart",
            pair.features,
        )
        if (pair.first, pair.second) in refused_pairs
        else pair
        for pair in pairs
        if pair.verdict is not Verdict.DISTINCT
    ]
    return clusters.as_lists(), [
        pair
        for pair in for_people
        # a veto (score 0) inside one facility stays visible: its records no longer agree
        if pair.verdict is Verdict.MERGE or pair.score == 0.0 or not clusters.are_joined(pair.first, pair.second)
    ]


def find_candidates(records: Sequence[MatchRecord]) -> Iterator[tuple[int, int]]:
    """Yield each pair of one county, at least one of it new, that the document's score would flag (>= THRESHOLD).

    Nothing is lost: a pair without a common contact needs the name score that the place leaves open (a bound computed for
    the whole matrix at once); pairs with a common contact are found by a hash join, equal identifiers by another.
    """
    seen: set[tuple[int, int]] = set()
    for first, second in (*_by_name(records), *_by_join(records)):
        pair = (first, second) if first < second else (second, first)
        if pair in seen or not (records[first].is_new or records[second].is_new):
            continue
        if records[first].code == records[second].code:
            continue  # one list names one place twice: they are one cluster from the start
        seen.add(pair)
        one, other = records[pair[0]], records[pair[1]]
        is_certain = _share_identity(one, other)
        if is_certain or similarity(one, other) >= THRESHOLD - ROUNDING:
            yield pair


def _share_identity(one: MatchRecord, other: MatchRecord) -> bool:
    """Return True for a common national code, and for records of one facility: they are looked at whatever their names."""
    same_identifier = bool(one.identifier) and one.identifier == other.identifier
    return same_identifier or (one.facility is not None and one.facility == other.facility)


def similarity(one: MatchRecord, other: MatchRecord) -> float:
    """Return the document's score 0..1: name 0.5, location 0.3, contact 0.2, over the parts that both sides have."""
    parts = [
        (NAME_WEIGHT, fuzz.ratio(one.name.text, other.name.text) / 100),
        (LOCATION_WEIGHT, place_agreement(one, other)),
    ]
    if one.contacts and other.contacts:
        parts.append((CONTACT_WEIGHT, contact_agreement(one, other)))
    return sum(weight * score for weight, score in parts) / sum(weight for weight, _ in parts)


def place_agreement(one: MatchRecord, other: MatchRecord) -> float:
    """Return the share of levels (county, constituency, ward) that agree among those that both sides know, 0..1."""
    levels = [(one.county, other.county), (one.constituency, other.constituency), (one.ward, other.ward)]
    known = [(mine, theirs) for mine, theirs in levels if mine and theirs]
    if one.county != other.county:
        return 0.0
    return sum(mine == theirs for mine, theirs in known) / len(known)


def contact_agreement(one: MatchRecord, other: MatchRecord) -> float:
    """Return the share of the shorter list of contacts that the other has, too, 0..1."""
    return len(one.contacts & other.contacts) / min(len(one.contacts), len(other.contacts))


def judge(records: Sequence[MatchRecord], first: int, second: int) -> Pair:
    """Return the verdict on two records: one place, two places, or a question for a person."""
    one, other = records[first], records[second]
    features = {
        "name": round(fuzz.ratio(one.name.text, other.name.text) / 100, 3),
        "core_name": round(fuzz.token_sort_ratio(" ".join(one.name.core), " ".join(other.name.core)) / 100, 3),
        "place": round(place_agreement(one, other), 3),
        "contact": round(contact_agreement(one, other), 3) if one.contacts and other.contacts else 0.0,
    }
    veto = find_veto(one, other)
    if veto and one.identifier and one.identifier == other.identifier:
        return Pair(first, second, 0.0, Verdict.REVIEW, f"one national facility code, but {veto}", features)
    if veto and one.facility is not None and one.facility == other.facility:
        return Pair(first, second, 0.0, Verdict.REVIEW, f"they stand for one facility, but {veto}", features)
    if veto:
        return Pair(first, second, 0.0, Verdict.DISTINCT, veto, features)
    verdict, reason = _weigh(one, other)
    return Pair(first, second, round(similarity(one, other), 4), verdict, reason, features)


def find_veto(one: MatchRecord, other: MatchRecord) -> str:
    """Return why two records cannot stand for one place, or "" where nothing speaks against it."""
    if one.kind and other.kind and one.kind != other.kind:
        return "they are of different kinds: {} and {}".format(*sorted((one.kind, other.kind)))
    if one.identifier and other.identifier and one.identifier != other.identifier:
        return "their national codes differ"
    if one.name.directions != other.name.directions:
        return "their names differ in a direction or number"
    if _differ_in_a_word(one.name.core, other.name.core):
        return "each name has a word of its own: other places or branches"
    return ""


def _differ_in_a_word(one: Iterable[str], other: Iterable[str]) -> bool:
    """Return True where both names keep a word that the other has in no spelling."""
    mine, theirs = set(one), set(other)
    only_mine, only_theirs = mine - theirs, theirs - mine
    return any(all(fuzz.ratio(word, rival) < SAME_WORD for rival in only_theirs) for word in only_mine) and any(
        all(fuzz.ratio(word, rival) < SAME_WORD for rival in only_mine) for word in only_theirs
    )


def _weigh(one: MatchRecord, other: MatchRecord) -> tuple[Verdict, str]:
    """Return verdict and reason for two records that no veto parts."""
    if one.identifier and one.identifier == other.identifier:
        return Verdict.MERGE, "same national facility code"
    if one.source == other.source and one.key == other.key:
        return Verdict.MERGE, "one source lists it twice under the same name and place"
    same_name = sorted(one.name.core) == sorted(other.name.core)
    same_type = one.facility_type == other.facility_type or not (one.facility_type and other.facility_type)
    shares_contact = bool(one.contacts & other.contacts)
    same_ward = bool(one.ward) and one.ward == other.ward
    away_km = distance_km(one.point, other.point) if one.point and other.point else None
    is_near = away_km is not None and away_km <= NEAR_KM
    if same_name and same_type and (shares_contact or same_ward or is_near):
        return Verdict.MERGE, f"same name and {_support(shares_contact=shares_contact, same_ward=same_ward)}"
    if not shares_contact and not is_near and _lie_apart(one, other, away_km):
        return Verdict.DISTINCT, "same or similar name in different places"
    if same_name or shares_contact or is_near or same_ward:
        return Verdict.REVIEW, "similar, but not beyond doubt"
    return (
        (Verdict.REVIEW, "similar names")
        if one.name.text == other.name.text
        else (Verdict.DISTINCT, "similar names only")
    )


def _support(*, shares_contact: bool, same_ward: bool) -> str:
    return "a contact of their own in common" if shares_contact else "same ward" if same_ward else "same spot"


def _lie_apart(one: MatchRecord, other: MatchRecord, away_km: float | None) -> bool:
    wards_differ = bool(one.ward and other.ward and one.ward != other.ward)
    constituencies_differ = bool(one.constituency and other.constituency and one.constituency != other.constituency)
    return wards_differ or constituencies_differ or (away_km is not None and away_km > APART_KM)


def _by_name(records: Sequence[MatchRecord]) -> Iterator[tuple[int, int]]:
    """Yield the pairs whose name score reaches what their places leave open, without any common contact."""
    new = [index for index, record in enumerate(records) if record.is_new]
    names = [record.name.text for record in records]
    constituencies, wards = _codes([r.constituency for r in records]), _codes([r.ward for r in records])
    rows_at_once = max(1, CELLS_AT_ONCE // max(1, len(records)))
    for start in range(0, len(new), rows_at_once):
        rows = new[start : start + rows_at_once]
        scores = process.cdist(
            [names[row] for row in rows], names, scorer=fuzz.ratio, score_cutoff=67, dtype=np.float32
        )
        needed = _needed_name_score(constituencies, wards, np.array(rows))
        for row, column in zip(*np.nonzero(scores >= needed), strict=True):
            first, second = rows[int(row)], int(column)
            if first != second:
                yield first, second


def _codes(texts: Sequence[str]) -> np.ndarray:
    """Return a number for each text, 0 for an empty one."""
    numbers: dict[str, int] = {"": 0}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int32)


def _needed_name_score(constituencies: np.ndarray, wards: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return, for each (row, column), the least name score 0..100 that reaches THRESHOLD where contacts add nothing.

    From (0.5 n + 0.3 l) / 0.8 >= 0.8 with l = agreeing levels / known levels; a rounding margin of 0.01 stays below it.
    """
    agreeing = np.ones((len(rows), len(wards)), dtype=np.float32)
    known = np.ones_like(agreeing)
    for codes in (constituencies, wards):
        mine, theirs = codes[rows][:, None], codes[None, :]
        both = (mine > 0) & (theirs > 0)
        known += both
        agreeing += both & (mine == theirs)
    weight = NAME_WEIGHT + LOCATION_WEIGHT
    return 100 * (THRESHOLD * weight - LOCATION_WEIGHT * agreeing / known) / NAME_WEIGHT - np.float32(0.01)


def _by_join(records: Sequence[MatchRecord]) -> Iterator[tuple[int, int]]:
    """Yield the pairs with a private contact, a national code, a facility or a natural key in common."""
    by_contact: dict[str, list[int]] = defaultdict(list)
    by_identity: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        for contact in record.contacts:
            by_contact[contact].append(index)
        if record.identifier:
            by_identity["identifier", record.identifier].append(index)
        if record.facility is not None:
            by_identity["facility", str(record.facility)].append(index)
        by_identity[record.source, record.key].append(index)
    for indexes in (*by_contact.values(), *by_identity.values()):
        yield from _pairs_of(sorted(indexes, key=lambda index: records[index].order))


def _pairs_of(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield all pairs of a few records; of many, each with the first: one code on 1,000 records makes 999 pairs."""
    if len(indexes) <= FEW:
        yield from combinations(indexes, 2)
    else:
        yield from ((indexes[0], other) for other in indexes[1:])


class _Clusters:
    """Disjoint sets of records; those of one existing facility, and those that would found one code, start together."""

    def __init__(self, records: Sequence[MatchRecord]) -> None:
        self._records = records
        self._cluster_of: dict[int, list[int]] = {}
        facility_of_code = {record.code: record.facility for record in records if record.facility is not None}
        clusters: dict[int | str, list[int]] = {}
        for index, record in enumerate(records):
            facility = record.facility if record.facility is not None else facility_of_code.get(record.code)
            members = clusters.setdefault(record.code if facility is None else facility, [])
            members.append(index)
            self._cluster_of[index] = members

    def join(self, first: int, second: int) -> bool:
        """Return True where the two are in one cluster now; False where a veto or a second facility stands against it."""
        one, other = self._cluster_of[first], self._cluster_of[second]
        if one is other:
            return True
        facilities = {self._records[index].facility for index in (*one, *other)} - {None}
        if len(facilities) > 1 or any(find_veto(self._records[a], self._records[b]) for a in one for b in other):
            return False
        one += other
        self._cluster_of.update(dict.fromkeys(other, one))
        return True

    def are_joined(self, first: int, second: int) -> bool:
        return self._cluster_of[first] is self._cluster_of[second]

    def as_lists(self) -> list[list[int]]:
        """Return the clusters, each in the order of its records, sorted by their first."""
        unique = {id(members): members for members in self._cluster_of.values()}.values()
        ordered = (sorted(members, key=lambda index: self._records[index].order) for members in unique)
        return sorted(ordered, key=lambda members: self._records[members[0]].order)
