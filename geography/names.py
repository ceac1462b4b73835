"""Comparison keys for Kenyan place names, and what a free location text may name."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import ratio

_NUMBERING = re.compile(r"^\s*\(?\d{1,3}\s*[.):-]+\s*(?=[^\W\d_])")  # "1. KWALE", "2) Kwale", "(3) Kwale"
_APOSTROPHES = re.compile(
    "['`\u00b4\u02b9\u02bb\u02bc\u2018\u2019\u201b\u2032\uff07]"
)  # Murang'a is one word, as typed or pasted
_NOT_A_WORD = re.compile(r"[\W_]+")

_PLACEHOLDERS = frozenset(
    {"", "0", "n a", "na", "nil", "none", "null", "unknown", "tba", "tbd"}
    | {f"not {word}" for word in ("known", "stated", "available", "applicable")}
)
_ROMAN_BY_DIGIT = {"1": "i", "2": "ii", "3": "iii", "4": "iv"}
_COMPASS = {"n": "north", "s": "south", "e": "east", "w": "west"}
_DIRECTIONS = {
    **{word: (word,) for word in ("north", "south", "east", "west", "central", "upper", "lower")},
    **{f"{word}ern": (word,) for word in ("north", "south", "east", "west")},
    **{letter: (word,) for letter, word in _COMPASS.items()},  # "N.Kinangop": an initial is a direction too
    **{letter: (letter,) for letter in "abcd"},  # Manyatta B is a ward, Manyatta A is none
    **{f"{first}{last}": (first, last) for first in ("north", "south") for last in ("east", "west")},
    **{f"{first}{last}ern": (first, last) for first in ("north", "south") for last in ("east", "west")},
    **{roman: (roman,) for roman in _ROMAN_BY_DIGIT.values()},
    **{digit: (roman,) for digit, roman in _ROMAN_BY_DIGIT.items()},
}

DIRECTION_WORDS = frozenset(_DIRECTIONS)  # where a name has none of these, it has no direction

# What runs between or past places: "Thika-Garissa Road" lies in neither, "Kisii/Nyamira border" in one of them.
_LINE_WORDS = frozenset(
    {"rd", "road", "highway", "hwy", "street", "str", "avenue", "ave", "lane", "drive", "way", "bypass"}
    | {"boulevard", "blvd", "route", "junction", "border", "boundary"}
)
_BESIDE_WORDS = frozenset({"off", "along", "near", "opposite", "opp", "next", "behind"})

# Measured on the register (fixtures/geography.csv): 75 of 94 similar pairs of wards differ in a direction word only.
FUZZY_CUT_OFF = 85
FUZZY_MARGIN = 5
FUZZY_SHORTEST_KEY = 5


@lru_cache(maxsize=16_384)
def place_key(text: str) -> str:
    """Return the key under which two spellings of a place name compare equal: lower-case words, one space apart.

    Apostrophes, accents and numbering vanish, other punctuation becomes a space, and a later word 1-4 becomes i-iv.
    """
    # NFKC turns an acute accent that serves as apostrophe into a space: apostrophes go first
    folded = _NUMBERING.sub("", unicodedata.normalize("NFKC", _APOSTROPHES.sub("", text)).casefold())
    if not folded.isascii():  # Gĩthũngũri: Kikuyu vowels carry a tilde that the official register leaves out
        folded = "".join(char for char in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(char))
    words = _NOT_A_WORD.sub(" ", folded).split()
    return " ".join(words[:1] + [_ROMAN_BY_DIGIT.get(word, word) for word in words[1:]])


@lru_cache(maxsize=4_096)
def county_key(text: str) -> str:
    """Return the key of a county's name without "County", "City County" and "County of"; "X Sub County" stays whole."""
    words = place_key(text).split()
    for opening in (["county", "government", "of"], ["county", "of"]):
        if words[: len(opening)] == opening:
            return " ".join(words[len(opening) :] or words)
    if words[-2:] == ["sub", "county"]:
        return " ".join(words)  # "Kiambu Sub County" is no county
    return _without_endings(words, (["city", "county"], ["county"]))


@lru_cache(maxsize=16_384)
def constituency_key(text: str) -> str:
    """Return the key of a constituency's name without "Constituency" and "Sub County"; "Kiambu County" stays whole."""
    return _without_endings(place_key(text).split(), (["constituency"], ["sub", "county"], ["subcounty"]))


@lru_cache(maxsize=16_384)
def ward_key(text: str) -> str:
    """Return the key of a ward's name without "Ward"; a Township stays one."""
    return _without_endings(place_key(text).split(), (["ward"],))


_NO_DIRECTION: frozenset[str] = frozenset()  # one for all: most names have none, and an empty set takes 216 bytes


@lru_cache(maxsize=16_384)
def direction_words(text: str) -> frozenset[str]:
    """Return the words in which two names of one place must agree: compass, upper, lower, central, i-iv, a-d.

    They come in one form each: "Northern" and "N." as north, "2" as ii. Initials in a row (A.I.C., P.C.E.A.) are none.
    """
    words = place_key(text).split()
    found = frozenset(
        direction
        for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False)
        if not (_is_letter(word) and (_is_letter(before) or _is_letter(after)))
        for direction in _DIRECTIONS.get(word, ())
    )
    return found or _NO_DIRECTION


def is_misspelling(key: str, name_key: str, *, rivals: Iterable[str]) -> bool:
    """Return True where the key misspells this name beyond doubt, given the keys of all other names it may stand for.

    A single typo is never taken for another name: the one it comes from is as few edits away, and that is a doubt.
    """
    shortest = min(len(key.replace(" ", "")), len(name_key.replace(" ", "")))
    likeness, directions = ratio(key, name_key), direction_words(key)
    if likeness < FUZZY_CUT_OFF or shortest < FUZZY_SHORTEST_KEY or any(char.isdigit() for char in key):
        return False
    if direction_words(name_key) != directions:
        return False
    edits = OSA.distance(key, name_key)
    for rival in rivals:
        # a rival as near is a doubt even where its direction differs: "Nort" is nearer to North than to no direction
        margin = FUZZY_MARGIN if direction_words(rival) == directions else 0
        rival_likeness = ratio(key, rival)
        if likeness - rival_likeness < margin or rival_likeness >= likeness or OSA.distance(key, rival) <= edits:
            return False
    return True


@lru_cache(maxsize=16_384)
def stated(text: str) -> str:
    """Return the text without surrounding space, or "" where it is blank, a placeholder or punctuation only."""
    return "" if place_key(text) in _PLACEHOLDERS else text.strip()


def location_segments(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the parts of a location text from near to far, each with the alternatives that "/" or "-" joins in it.

    "Kikuyu, Kiambu/Nairobi" is (("Kikuyu",), ("Kiambu/Nairobi", "Kiambu", "Nairobi")): the whole comes first, since
    "Elgeyo-Marakwet" is one name. A road keeps its ends to itself and a trailing "Kenya" is dropped.
    """
    parts = [part for phrase in re.split(r"[,;|\r\n]", text) for part in _with_roads_whole(phrase)]
    segments = [part.strip() for part in parts if place_key(part)]
    if segments:
        segments[-1] = re.sub(r"\W*\bkenya\W*$", "", segments[-1], flags=re.IGNORECASE)
    return tuple(_alternatives(segment) for segment in segments if segment)


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalpha()


def _without_endings(words: list[str], endings: tuple[list[str], ...]) -> str:
    shorter = True
    while shorter:
        shorter = False
        for ending in endings:
            if len(words) > len(ending) and words[-len(ending) :] == ending:
                words, shorter = words[: -len(ending)], True
    return " ".join(words)


def _with_roads_whole(phrase: str) -> list[str]:
    # "Nairobi - Mombasa Rd" is one road, "Nakuru - off Kisumu Road" is Nakuru
    parts: list[str] = []
    for part in re.split(r"\s[-–—]+\s", phrase):  # noqa: RUF001 - the dashes people paste
        words = place_key(part).split()
        if _LINE_WORDS.intersection(words) and words[0] not in _BESIDE_WORDS:
            parts = [" - ".join([*parts, part])]
        else:
            parts.append(part)
    return parts


def _alternatives(segment: str) -> tuple[str, ...]:
    joined = re.split(r"[/–—-]", segment)  # noqa: RUF001 - the dashes people paste
    if len(joined) == 1 or _LINE_WORDS.intersection(place_key(segment).split()):
        return (segment,)
    return (segment, *(part.strip() for part in joined if place_key(part)))
