"""What speaks for and against two records being one place: vetoes, and features whose parts add up to a score.

The document's `similarity` (candidates.py) only chooses who is looked at; this decides. Every weight and threshold was set
on tests/data/labelled_pairs.jsonl and tried on two sets labelled afterwards; docs/duplicates.md says how well they do.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from etl.stages.names import FacilityName
from etl.stages.records import MatchRecord, Pair, Verdict
from geography.distance import distance_km

MERGE_AT = 0.7
REVIEW_AT = 0.41

SAME_WORD = 85  # rapidfuzz ratio, 0..100, at which two words may be one misspelt
LIKE_WORD = 75  # the same of two that a person must look at: "Kigumo", "Kiguno"
SAME_IF_SPACED = 90  # the same of whole names that differ in their spaces
ALIKE = 0.7  # similarity of the names' own words below which they say nothing for one place
LIKE_NAMES, ONE_SAYS_MORE = 0.6, 0.4  # at most: of names that are alike, and of two of which one says more
SAME_CONSTITUENCY, OTHER_PHONES = 0.4, -0.3
NEAR_KM, BESIDE_KM, APART_KM = 0.5, 2.0, 5.0

UNSURE_KIND = "support"
VOWELS = frozenset("aeiou")
TWO_COUNTIES = "they lie in two counties"

Feature = Callable[[MatchRecord, MatchRecord], float]


def name(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 for the same own words (generic ones such as "hospital" set aside), 0..0.6 for like ones, 0 for others."""
    return _name_value(one.name, other.name)


@lru_cache(maxsize=20_000)
def _name_value(one: FacilityName, other: FacilityName) -> float:
    if one.core == other.core or (_are_spaced_apart(one, other) and one.joined == other.joined):
        return 1.0
    mine, theirs = set(one.core), set(other.core)
    if mine < theirs or theirs < mine:
        return ONE_SAYS_MORE  # one says more than the other: "Moi" and "Moi Teaching", or "Moi Barracks"
    alike = fuzz.ratio(one.core_text, other.core_text) / 100
    if _are_spaced_apart(one, other):
        alike = max(alike, fuzz.ratio(one.joined, other.joined) / 100)
    return max(0.0, LIKE_NAMES * (alike - ALIKE) / (1 - ALIKE))


def facility_type(one: MatchRecord, other: MatchRecord) -> float:
    """Return 0.5 for one type, -1 for two that are never one place; 0 where one may have become the other.

    Where one is unknown, the same name says it.
    """
    types = {one.facility_type, other.facility_type}
    if "" in types:
        return 0.5 if one.name.text == other.name.text else 0.0
    if len(types) == 1:
        return 0.5
    is_unsure = "support-organisation" in types  # what a list calls a place of which it knows no more
    return 0.0 if is_unsure or any(types <= ladder for ladder in _LADDERS) else -1.0


_LADDERS = (
    frozenset({"dispensary", "clinic", "health-centre", "nursing-home", "hospital", "gbv-recovery-centre"}),
    frozenset({"shelter", "rescue-centre"}),
    frozenset({"legal-aid", "support-organisation"}),
)


def place(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 for one ward, SAME_CONSTITUENCY for one constituency, -1 where a level that both know differs, else 0."""
    if not (one.constituency and other.constituency):
        return 0.0
    if one.constituency != other.constituency:
        return -1.0
    if one.ward and other.ward:
        return 1.0 if one.ward == other.ward else -1.0
    return SAME_CONSTITUENCY


def distance(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 up to NEAR_KM, falling to 0 at BESIDE_KM and to -1 at APART_KM; 0 where a position is unknown.

    What a blurred position may add in distance speaks for neither. Of a hidden place it answers 1, 0 or -1 only.
    """
    if not (one.point and other.point):
        return 0.0
    blur = max(one.blur_km, other.blur_km)
    km = distance_km(one.point, other.point)
    if one.is_hidden or other.is_hidden:
        return 1.0 if km <= BESIDE_KM else -1.0 if km > APART_KM + blur else 0.0
    if km <= NEAR_KM:
        return 1.0 if blur <= NEAR_KM else 0.5
    if km <= BESIDE_KM + blur:
        return max(0.0, (BESIDE_KM - km) / (BESIDE_KM - NEAR_KM))
    return max(-1.0, (BESIDE_KM + blur - km) / (APART_KM - BESIDE_KM))


def phone(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 for a private number in common, OTHER_PHONES where each gives only its own, 0 where one gives none."""
    mine, theirs = one.contacts - one.emails, other.contacts - other.emails
    if not (mine and theirs):
        return 0.0
    return OTHER_PHONES if mine.isdisjoint(theirs) else 1.0


def email(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 for a private e-mail address in common, else 0: a place may have several."""
    return 0.0 if one.emails.isdisjoint(other.emails) else 1.0


def registration(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 for one registration number, -1 for two, 0 where one is unknown."""
    if not (one.registration_number and other.registration_number):
        return 0.0
    return 1.0 if one.registration_number == other.registration_number else -1.0


def listing(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 where a list dropped one as it added the other, -1 where it lists both under different types, else 0."""
    if one.source != other.source:
        return 0.0
    if one.is_missing != other.is_missing:
        return 1.0 if (other if one.is_missing else one).is_new else 0.0
    has_both = not one.is_missing and facility_type(one, other) != 0.5 and one.facility_type != other.facility_type
    return -1.0 if has_both and one.facility_type and other.facility_type else 0.0


def identifier(one: MatchRecord, other: MatchRecord) -> float:
    """Return 1 for one national facility code, which decides; two codes are a veto."""
    return 1.0 if _same(one.identifier, other.identifier) else 0.0


FEATURES: Mapping[str, tuple[Feature, float]] = {
    "name": (name, 0.45),
    "type": (facility_type, 0.1),
    "place": (place, 0.2),
    "distance": (distance, 0.2),
    "phone": (phone, 0.3),
    "email": (email, 0.25),
    "registration": (registration, 0.2),
    "listing": (listing, 0.15),
    "identifier": (identifier, 1.0),
}


def judge(one: MatchRecord, other: MatchRecord, *, first: int = 0, second: int = 1) -> Pair:
    """Return the verdict on two records, with each feature's part in the score; what a veto settles is not weighed."""
    veto = find_veto(one, other)
    if veto and not (contradiction := _find_contradiction(one, other, veto)):
        return Pair(first, second, 0.0, Verdict.DISTINCT, veto, veto=veto)
    parts = weigh(one, other)
    score = round(min(1.0, max(0.0, sum(parts.values()))), 4)
    verdict, reason = (Verdict.REVIEW, contradiction) if veto else _answer(one, other, score, parts)
    return Pair(first, second, score, verdict, reason, parts, veto)


def weigh(one: MatchRecord, other: MatchRecord) -> dict[str, float]:
    """Return each feature's part in the score, weight times value; what says nothing is left out."""
    values = ((title, weight * feature(one, other)) for title, (feature, weight) in FEATURES.items())
    return {title: round(part, 4) for title, part in values if part}


def _answer(one: MatchRecord, other: MatchRecord, score: float, parts: Mapping[str, float]) -> tuple[Verdict, str]:
    if _same(one.identifier, other.identifier):
        return Verdict.MERGE, "same national facility code"
    if one.source == other.source and one.key == other.key:
        return Verdict.MERGE, "one source lists it twice under the same name and place"
    if not any(title in parts for title in ("name", "phone", "email")) or score < REVIEW_AT:
        return Verdict.DISTINCT, "too little speaks for one place"
    if doubt := find_doubt(one, other):
        return Verdict.REVIEW, f"{_speak(parts)}, but {doubt}"
    if score >= MERGE_AT:
        return Verdict.MERGE, _speak(parts)
    return Verdict.REVIEW, f"{_speak(parts)}: not beyond doubt"


def _find_contradiction(one: MatchRecord, other: MatchRecord, veto: str) -> str:
    """Return why a person must look at what a veto parts: one code, one facility, one name and phone in two counties; or ""."""
    if _same(one.identifier, other.identifier):
        return f"one national facility code, but {veto}"
    if one.facility is not None and one.facility == other.facility:
        return f"they stand for one facility, but {veto}"
    if veto == TWO_COUNTIES and phone(one, other) > 0 and one.name.core == other.name.core:
        return f"same name and same private phone, but {veto}"
    return ""


_SPOKEN = {
    "identifier": "same national facility code", "name": "same or like name", "phone": "same phone",
    "email": "same e-mail address", "place": "same place", "distance": "same spot", "registration": "same registration number",
    "listing": "its list dropped one as it added the other",
}  # fmt: skip


def _speak(parts: Mapping[str, float]) -> str:
    """Return what speaks for one place, in words: "same or like name, same phone, same place"."""
    return ", ".join(words for title, words in _SPOKEN.items() if parts.get(title, 0) > 0) or "little"


def find_veto(one: MatchRecord, other: MatchRecord) -> str:
    """Return why two records cannot stand for one place, or "" where nothing speaks against it."""
    if one.is_exported and other.is_exported:
        return "one registry holds them as two facilities"
    if one.kind and other.kind and one.kind != other.kind and UNSURE_KIND not in {one.kind, other.kind}:
        return "they are of different kinds: {} and {}".format(*sorted((one.kind, other.kind)))
    if one.identifier and other.identifier and one.identifier != other.identifier:
        return "their national codes differ"
    if one.name.directions != other.name.directions and one.name.directions and other.name.directions:
        return "their names differ in a direction or number"
    if _are_branches(one.name, other.name):
        return "each name has a word of its own: other places or branches"
    return TWO_COUNTIES if one.county != other.county else ""


def find_doubt(one: MatchRecord, other: MatchRecord) -> str:
    """Return why a person must look at two records however much speaks for one place, or ""."""
    if one.name.directions != other.name.directions:
        return "only one name has a direction or number"
    if _differ_by_a_word(one.name, other.name, SAME_WORD):
        return "a word of each name is spelt otherwise"
    if _differ_by_a_consonant(one.name, other.name):
        return "a letter of their names differs"
    types = {one.facility_type, other.facility_type} - {""}
    if (len(types) > 1 and "gbv-recovery-centre" in types) or _is_centre(one) != _is_centre(other):
        return "one may be a centre inside the other"
    if one.kind != other.kind and UNSURE_KIND in {one.kind, other.kind} and one.name.text != other.name.text:
        return "one list says no more of it than that it is a support organisation"
    return ""


def _is_centre(record: MatchRecord) -> bool:
    """Return whether a name says that a place is the recovery centre of another; a police station's desk is none."""
    return record.kind != "police" and not {"recovery", "violence"}.isdisjoint(record.name.text.split())


@lru_cache(maxsize=20_000)
def _differ_by_a_consonant(one: FacilityName, other: FacilityName) -> bool:
    """Return whether a word of one has another consonant than the word that it is like: Kapsabet, Kapsaret.

    A letter too many or too few, and a vowel for another, are how one name is misspelt: Garisa, Isibania.
    """
    only_one = [word for word in one.core if word not in other.core]
    only_other = [word for word in other.core if word not in one.core]
    return any(
        edit.tag == "replace" and not {word[edit.src_pos], rival[edit.dest_pos]} <= VOWELS
        for word in only_one
        for rival in only_other
        if fuzz.ratio(word, rival) >= SAME_WORD
        for edit in Levenshtein.editops(word, rival)
    )


def _are_branches(one: FacilityName, other: FacilityName) -> bool:
    """Return True where both names keep a word that the other has in no spelling."""
    return _differ_by_a_word(one, other, LIKE_WORD)


@lru_cache(maxsize=20_000)
def _differ_by_a_word(one: FacilityName, other: FacilityName, same: int) -> bool:
    """Return True where each name has a word that is less than `same` like all those of the other that it has not.

    The names of two places never are one, however alike they are spelt.
    """
    only_one = [word for word in one.core if word not in other.core]
    only_other = [word for word in other.core if word not in one.core]
    if not (only_one and only_other):
        return False
    if _are_spaced_apart(one, other) and fuzz.ratio(one.joined, other.joined) >= SAME_IF_SPACED:
        return False
    places = {*one.places, *other.places}

    def stands_alone(word: str, rivals: list[str]) -> bool:
        return not any(fuzz.ratio(word, rival) >= same and not (word in places and rival in places) for rival in rivals)

    return any(stands_alone(word, only_other) for word in only_one) and any(
        stands_alone(word, only_one) for word in only_other
    )


def _are_spaced_apart(one: FacilityName, other: FacilityName) -> bool:
    """Return whether the names split into different numbers of words: "El Wak", "Elwakh"."""
    return one.own_words != other.own_words


def _same(one: str, other: str) -> bool:
    return bool(one) and one == other


class InBulk:
    """The same question of very many pairs at once: which of those without a common contact may be anything but distinct."""

    def __init__(self, records: Sequence[MatchRecord]) -> None:
        self._core = np.array([record.name.core_text for record in records], dtype=object)
        self._joined = np.array([record.name.joined for record in records], dtype=object)
        self._words = np.array([record.name.own_words for record in records])
        self._place = [np.array([getattr(record, level) for record in records], dtype=object) for level in _LEVELS]
        self._has_phone = np.array([bool(record.contacts - record.emails) for record in records])
        self._has_point = np.array([record.point is not None for record in records])
        self._has_registration = np.array([bool(record.registration_number) for record in records])
        self._is_missing = np.array([record.is_missing for record in records])

    def may_be_one(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return False for pairs that judge() finds distinct, since whatever else speaks for them, their names are too far.

        No national code and no contact in common are taken for granted: pairs that have one come another way.
        """
        needed = REVIEW_AT - self._room(first, second)  # of the name's part
        needed_alike = ALIKE + (1 - ALIKE) * np.maximum(needed / _NAME_WEIGHT, 0) / LIKE_NAMES
        needed_alike = np.minimum(needed_alike, 1)  # the same name says more than the most alike ones
        alike = _ratios(self._core, first, second, fuzz.ratio, ALIKE)
        is_spaced = np.flatnonzero((alike < needed_alike) & (self._words[first] != self._words[second]))
        alike[is_spaced] = np.maximum(
            alike[is_spaced], _ratios(self._joined, first[is_spaced], second[is_spaced], fuzz.ratio, ALIKE)
        )
        may_be = alike >= needed_alike - _MARGIN
        is_open = np.flatnonzero(~may_be & (needed <= _NAME_WEIGHT * ONE_SAYS_MORE + _MARGIN))
        may_be[is_open] = _ratios(self._core, first[is_open], second[is_open], fuzz.token_set_ratio, 1) > 0
        return may_be

    def _room(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the most that the features beside the name may add to each pair; phones that differ take away."""
        weight = {title: weight for title, (_, weight) in FEATURES.items()}
        room = 0.5 * weight["type"] + weight["place"] * self._place_value(first, second)
        room += weight["phone"] * OTHER_PHONES * (self._has_phone[first] & self._has_phone[second])
        room += weight["distance"] * (self._has_point[first] & self._has_point[second])
        room += weight["registration"] * (self._has_registration[first] & self._has_registration[second])
        room += weight["listing"] * (self._is_missing[first] != self._is_missing[second])
        return room

    def _place_value(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return what place() says of each pair."""
        value = np.zeros(len(first))
        for places, of_same in zip(self._place, (SAME_CONSTITUENCY, 1.0), strict=True):
            mine, theirs = places[first], places[second]
            is_known = (mine != "") & (theirs != "") & (value >= 0)
            value[is_known] = np.where(mine[is_known] == theirs[is_known], of_same, -1.0)
        return value


_LEVELS = ("constituency", "ward")
_NAME_WEIGHT = FEATURES["name"][1]
_MARGIN = 1e-4  # of a float32


def _ratios(
    texts: NDArray[np.object_],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    scorer: Callable[..., float],
    least: float,
) -> NDArray[np.float64]:
    """Return the likeness 0..1 of each pair of texts, 0 for what is less than `least`."""
    one, other = texts[first].tolist(), texts[second].tolist()
    return process.cpdist(one, other, scorer=scorer, score_cutoff=100 * least - 0.01, dtype=np.float64) / 100
