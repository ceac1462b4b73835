"""Candidate pairs without loss: every pair that the document's score flags, found without comparing all pairs.

Why nothing is lost. Counties never meet: two of them leave at most 0.7. In one county the score is (0.5 n + 0.3 l + 0.2 c) over
the weights of the parts that both sides have, with n the names' likeness, l the share of agreeing levels, c the share of
common contacts. Pairs with a common contact come from a join by contact. For all others c adds nothing, so that their place
alone says which n they need: 0.68 where every known level agrees (l = 1), 0.88 in two wards of one constituency (2/3), 0.98 in
two constituencies where a ward is unknown (1/2), more than 1 in two wards of two constituencies (1/3); and exactly 1, with
l = 1, where both give contacts and share none. So the blocks below are compared, each at its own cut-off, and no others.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from etl.stages.records import MatchRecord

# The document's weights and threshold. A part for which either side has no evidence is left out and the others count more.
NAME_WEIGHT, LOCATION_WEIGHT, CONTACT_WEIGHT = 0.5, 0.3, 0.2
THRESHOLD = 0.8
ROUNDING = 1e-9  # two equal facilities without contacts score 0.8 exactly

FEW = 20  # of many records of one place, with one code or contact, so many are paired with others
CELLS_AT_ONCE = 4_000_000  # of a matrix of names: 16 MB of float32
PAIRS_AT_ONCE = 200_000
TEXTS_AT_ONCE = 2_000  # as wide as the longest of them, several times 8 bytes a letter
MARGIN = 0.01  # percent by which a float32 may be off: what lies so near the cut-off is scored again
LONG = 48  # letters: two shorter names that are 98 % alike differ in one letter at most
ALL_LEVELS, ONE_CONSTITUENCY, ONE_COUNTY = 1.0, 2 / 3, 1 / 2  # agreeing levels of those known

Indexes = NDArray[np.intp]
Pairs = tuple[Indexes, Indexes]  # the first and the second of each pair


class Candidates(NamedTuple):
    """A portion of the candidate pairs: the index of the first and of the second record of each, in rising order."""

    first: Indexes
    second: Indexes
    share_contact: bool


def shared[K: Hashable](keys: Iterable[K]) -> list[list[int]]:
    """Return the places of the keys that come more than once, group by group; no list is made of what comes once."""
    place_of: dict[K, int | list[int]] = {}
    for place, key in enumerate(keys):
        before = place_of.setdefault(key, place)
        if isinstance(before, list):
            before.append(place)
        elif before != place:
            place_of[key] = [before, place]
    return [group for group in place_of.values() if isinstance(group, list)]


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
    """Return the share of levels that agree among those that both sides know, 0..1; 0 in two counties."""
    if one.county != other.county:
        return 0.0
    levels = [True]
    if one.constituency and other.constituency:
        levels.append(one.constituency == other.constituency)
        if one.ward and other.ward:
            levels.append(one.ward == other.ward)
    return sum(levels) / len(levels)


def contact_agreement(one: MatchRecord, other: MatchRecord) -> float:
    """Return the share of the shorter list of contacts that the other has, too, 0..1."""
    return len(one.contacts & other.contacts) / min(len(one.contacts), len(other.contacts))


def find_candidates(records: Sequence[MatchRecord], homes: Sequence[int] | None = None) -> Iterator[Candidates]:
    """Yield, in portions, each pair once, at least one of it new, that the document's score flags (>= THRESHOLD).

    With `homes`, which records are together from the start: of those with one contact in common a few of each home are paired.
    """
    by_county: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        by_county[record.county].append(index)
    names = _Names(records)
    for indexes in by_county.values():
        yield from _of_county(records, np.array(indexes, dtype=np.intp), names, homes)


def find_namesakes(records: Sequence[MatchRecord]) -> Iterator[Candidates]:
    """Yield, in portions, the pairs of one constituency, or of an unknown one, whose names have the same own words.

    An upgraded dispensary shares little of its full name with the health centre that it became. At least one of a pair is new;
    a pair may come twice, and pairs with a common contact or code may be among them.
    """
    is_new = np.array([record.is_new for record in records], dtype=bool)
    constituencies = np.array([record.constituency for record in records], dtype=object)
    for kind in ("core", "joined"):
        groups = shared((record.county, getattr(record.name, kind)) for record in records)
        several = (np.array(group, dtype=np.intp) for group in groups)
        blocks = (block for members in several for block in _triangle(members, is_new, constituencies))
        for first, second in _in_portions(blocks):
            yield Candidates(first, second, share_contact=False)


def _triangle(members: Indexes, is_new: NDArray[np.bool_], constituencies: NDArray[np.object_]) -> Iterator[Pairs]:
    for place in range(len(members) - 1):
        first, others = members[place], members[place + 1 :]
        is_kept = is_new[others] | is_new[first]
        if constituencies[first]:
            is_kept &= (constituencies[others] == constituencies[first]) | (constituencies[others] == "")
        if is_kept.any():
            kept = others[is_kept]
            yield np.full(len(kept), first), kept


def _of_county(
    records: Sequence[MatchRecord], indexes: Indexes, names: "_Names", homes: Sequence[int] | None
) -> Iterator[Candidates]:
    joined = sorted(_share_contact(records, indexes, homes))
    flagged = [pair for pair in joined if similarity(records[pair[0]], records[pair[1]]) >= THRESHOLD - ROUNDING]
    if flagged:
        first, second = np.array(flagged, dtype=np.intp).T
        yield Candidates(first, second, share_contact=True)
    known = np.array([first * len(records) + second for first, second in joined], dtype=np.int64)
    for one, other in _in_portions(_without_common_contact(records, indexes, names)):
        first, second = np.minimum(one, other), np.maximum(one, other)
        is_left = ~np.isin(first.astype(np.int64) * len(records) + second, known)
        if is_left.any():
            yield Candidates(first[is_left], second[is_left], share_contact=False)


def _in_portions(blocks: Iterator[Pairs]) -> Iterator[Pairs]:
    """Yield the pairs of many small blocks together, and those of a large one in parts: PAIRS_AT_ONCE at most."""
    waiting: list[Pairs] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += len(block[0])
        if size >= PAIRS_AT_ONCE:
            yield from _parts_of(waiting)
            waiting, size = [], 0
    yield from _parts_of(waiting)


def _parts_of(blocks: Sequence[Pairs]) -> Iterator[Pairs]:
    first = np.concatenate([_NONE, *(first for first, _ in blocks)])
    second = np.concatenate([_NONE, *(second for _, second in blocks)])
    for start in range(0, len(first), PAIRS_AT_ONCE):
        yield first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]


def _share_contact(
    records: Sequence[MatchRecord], indexes: Indexes, homes: Sequence[int] | None
) -> set[tuple[int, int]]:
    """Return the pairs with a contact in common, whatever their score."""
    by_contact: dict[str, list[int]] = defaultdict(list)
    for index in indexes.tolist():
        for contact in records[index].contacts:
            by_contact[contact].append(index)
    return {
        (first, second)
        for holders in by_contact.values()
        for first, second in combinations(_few_of_each(holders, homes), 2)
        if records[first].is_new or records[second].is_new
    }


def _few_of_each(holders: Sequence[int], homes: Sequence[int] | None) -> list[int]:
    if homes is None:
        return list(holders)
    of_home: dict[int, list[int]] = defaultdict(list)
    for index in holders:
        of_home[homes[index]].append(index)
    return sorted(index for group in of_home.values() for index in group[:FEW])


class _Names:
    """What the blocks compare of each record: its name, whether it is new, whether it gives contacts."""

    def __init__(self, records: Sequence[MatchRecord]) -> None:
        self.texts = [record.name.text for record in records]
        self.is_new = np.array([record.is_new for record in records], dtype=bool)
        self.gives_contacts = np.array([bool(record.contacts) for record in records], dtype=bool)
        self.numbers = _number(self.texts)
        self.constituencies = _number([record.constituency for record in records])


def _number(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return a number for each text, the same for equal ones."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)


def _without_common_contact(records: Sequence[MatchRecord], indexes: Indexes, names: _Names) -> Iterator[Pairs]:
    """Yield the pairs that the names alone lift over the threshold, block by block; some share a contact all the same."""
    constituencies = _group(indexes, [records[index].constituency for index in indexes])
    unplaced = constituencies.pop("", _NONE)
    placed = np.sort(np.concatenate([_NONE, *constituencies.values()]))
    yield from _within(unplaced, names)
    yield from _between(unplaced, placed, names, ALL_LEVELS)
    wardless_everywhere: list[Indexes] = []
    for members in constituencies.values():
        wards = _group(members, [records[index].ward for index in members])
        wardless = wards.pop("", _NONE)
        wardless_everywhere.append(wardless)
        in_wards = np.concatenate([_NONE, *wards.values()])
        yield from _within(wardless, names)
        yield from _between(wardless, in_wards, names, ALL_LEVELS)
        done = 0
        for ward in wards.values():
            done += len(ward)
            yield from _within(ward, names)
            yield from _between(ward, in_wards[done:], names, ONE_CONSTITUENCY)
    yield from _nearly_equal(np.concatenate([_NONE, *wardless_everywhere]), placed, names)


_NONE: Indexes = np.array([], dtype=np.intp)


def _group(indexes: Indexes, keys: Sequence[str]) -> dict[str, Indexes]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, key in zip(indexes.tolist(), keys, strict=True):
        groups[key].append(index)
    return {key: np.array(members, dtype=np.intp) for key, members in groups.items()}


def _within(block: Indexes, names: _Names) -> Iterator[Pairs]:
    """Yield the pairs of records that all agree in place."""
    if len(block) < 2:
        return
    is_new = names.is_new[block]
    new, old = block[is_new], block[~is_new]
    gives = names.gives_contacts[new]
    yield from _alike(new[~gives], None, names, ALL_LEVELS)
    yield from _alike(new[~gives], new[gives], names, ALL_LEVELS)
    yield from _equal(new[gives], None, names)
    yield from _compare(new, old, names, ALL_LEVELS)


def _between(rows: Indexes, columns: Indexes, names: _Names, agreement: float) -> Iterator[Pairs]:
    """Yield the pairs of a record of one block with one of another."""
    is_new = names.is_new[rows]
    yield from _compare(rows[is_new], columns, names, agreement)
    yield from _compare(rows[~is_new], columns[names.is_new[columns]], names, agreement)


def _compare(rows: Indexes, columns: Indexes, names: _Names, agreement: float) -> Iterator[Pairs]:
    if not (len(rows) and len(columns)):
        return
    gives = names.gives_contacts[rows]
    yield from _alike(rows[~gives], columns, names, agreement)
    column_gives = names.gives_contacts[columns]
    yield from _alike(rows[gives], columns[~column_gives], names, agreement)
    if agreement == ALL_LEVELS:
        yield from _equal(rows[gives], columns[column_gives], names)


def _needed_percent(agreement: float) -> float:
    """Return the least likeness of names 0..100 that reaches THRESHOLD where contacts say nothing."""
    weight = NAME_WEIGHT + LOCATION_WEIGHT
    return 100 * (THRESHOLD * weight - LOCATION_WEIGHT * agreement) / NAME_WEIGHT


def _alike(rows: Indexes, columns: Indexes | None, names: _Names, agreement: float) -> Iterator[Pairs]:
    """Yield the pairs (of the rows themselves where columns is None) whose names are as alike as their place asks for."""
    others = rows if columns is None else columns
    if not (len(rows) and len(others)):
        return
    needed = _needed_percent(agreement)
    texts = [names.texts[index] for index in others]
    at_once = max(1, CELLS_AT_ONCE // len(others))
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        is_whole = columns is None and len(part) == len(rows)
        queries = texts if is_whole else [names.texts[index] for index in part]  # one list: half of the work
        scores = process.cdist(queries, texts, scorer=fuzz.ratio, score_cutoff=needed - MARGIN, dtype=np.float32)
        row, column = np.divmod(np.flatnonzero(scores), len(others))
        if columns is None:
            is_upper = row + start < column
            row, column = row[is_upper], column[is_upper]
        if len(row):
            yield _surely(part[row], others[column], scores[row, column], needed, names)


def _surely(first: Indexes, second: Indexes, scores: NDArray[np.float32], needed: float, names: _Names) -> Pairs:
    """Return the pairs without those that lie below the cut-off: near it, float32 is not exact enough."""
    is_kept = scores >= needed + MARGIN
    for place in np.flatnonzero(~is_kept):
        one, other = names.texts[first[place]], names.texts[second[place]]
        is_kept[place] = fuzz.ratio(one, other) >= needed - ROUNDING
    return first[is_kept], second[is_kept]


def _equal(rows: Indexes, columns: Indexes | None, names: _Names) -> Iterator[Pairs]:
    """Yield the pairs of one name: what both giving other contacts leaves of the block."""
    others = rows if columns is None else columns
    if not (len(rows) and len(others)):
        return
    for first, second in _matching(names.numbers[rows], names.numbers[others]):
        if columns is None:
            is_upper = first < second
            first, second = first[is_upper], second[is_upper]  # noqa: PLW2901 - the upper triangle of them
        if len(first):
            yield rows[first], others[second]


def _matching[N: (np.int64, np.uint64)](keys: NDArray[N], others: NDArray[N]) -> Iterator[Pairs]:
    """Yield the places (in keys, in others) of equal values, in portions."""
    order = np.argsort(others, kind="stable")
    others = others[order]
    starts, ends = np.searchsorted(others, keys, "left"), np.searchsorted(others, keys, "right")
    counts = ends - starts
    before = np.concatenate([[0], np.cumsum(counts)])  # matches of all keys before this one
    begin = 0
    while before[begin] < before[-1]:
        end = max(begin + 1, int(np.searchsorted(before, before[begin] + CELLS_AT_ONCE, "right")) - 1)
        count = counts[begin:end]
        offsets = np.arange(before[end] - before[begin]) - np.repeat(before[begin:end] - before[begin], count)
        yield np.repeat(np.arange(begin, end), count), order[np.repeat(starts[begin:end], count) + offsets]
        begin = end


def _nearly_equal(wardless: Indexes, placed: Indexes, names: _Names) -> Iterator[Pairs]:
    """Yield the pairs of two constituencies, one of them without a ward, whose names are 98 % alike.

    Two such names of which one has less than LONG letters are equal, or one has a single letter more: the sums of their
    letters' codes are equal or differ by one code. Longer ones are compared.
    """
    if not len(wardless):
        return
    needed = _needed_percent(ONE_COUNTY)
    sums, codes = _letter_sums([names.texts[index] for index in placed])
    own_sums = sums[np.searchsorted(placed, wardless)]
    is_long = np.array([len(text) >= LONG for text in names.texts], dtype=bool)
    for code in (np.uint64(0), *codes, *(~codes + np.uint64(1))):
        for one, two in _matching(own_sums + code, sums):
            first, second = wardless[one], placed[two]
            is_short = ~(is_long[first] & is_long[second])
            yield from _of_two_constituencies(first[is_short], second[is_short], wardless, names, needed)
    for first, second in _alike(wardless[is_long[wardless]], placed[is_long[placed]], names, ONE_COUNTY):
        yield from _of_two_constituencies(first, second, wardless, names, needed)


def _of_two_constituencies(
    first: Indexes, second: Indexes, wardless: Indexes, names: _Names, needed: float
) -> Iterator[Pairs]:
    is_kept = names.constituencies[first] != names.constituencies[second]
    is_kept &= names.is_new[first] | names.is_new[second]
    is_kept &= ~(names.gives_contacts[first] & names.gives_contacts[second])
    is_kept &= (first < second) | ~np.isin(second, wardless)  # two wardless ones meet twice
    first, second = first[is_kept], second[is_kept]
    is_other = names.numbers[first] != names.numbers[second]
    for place in np.flatnonzero(is_other):
        is_other[place] = fuzz.ratio(names.texts[first[place]], names.texts[second[place]]) < needed - ROUNDING
    if not is_other.all():
        yield first[~is_other], second[~is_other]


def _letter_sums(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the sum (modulo 2^64) of the codes of each text's letters, and the codes of all letters that occur.

    A letter's code is its code point mixed, so that sums meet by chance once in 2^64.
    """
    sums = [np.zeros(0, np.uint64)]
    alphabet: set[int] = set()
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        letters = np.array(texts[start : start + TEXTS_AT_ONCE], dtype=np.str_)
        points = letters.view(np.uint32).reshape(len(letters), -1).astype(np.uint64)
        sums.append(
            np.where(points == 0, np.uint64(0), _mixed(points)).sum(axis=1, dtype=np.uint64)
        )  # 0 pads the shorter
        alphabet.update(np.unique(points).tolist())
    return np.concatenate(sums), _mixed(np.array(sorted(alphabet - {0}), dtype=np.uint64))


def _mixed(points: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the code of each code point: splitmix64 (Steele, Lea and Flood 2014)."""
    codes = points * np.uint64(0x9E3779B97F4A7C15)
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))
