"""Which members of a record tell of a survivor: this registry is about places, and refuses what is about people.

A name decides, never a value, and nothing makes such a member a facility's own: "patients_per_month" is refused like
"patientName". A false alarm is renamed at its source; a survivor's name that was stored cannot be taken back.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from unicodedata import combining, normalize

from etl.stages import clean

LONGEST_SHOWN = 60  # characters of a name in a message
LONGEST_KEPT = 200  # characters of a name whose answer is remembered

# Whatever stands around them: "ex-victims", "survivorname"; the last row is Kiswahili.
_PEOPLE = re.compile(
    r"victim|survivor|perpetrator|complainant|assailant|(?<!co)incident(?!al)"
    r"|(?<!in)(?<!out)(?<!im)patient"  # inpatient and outpatient care are services: see _IN_CARE
    r"|dateofbirth|birthdate|(?<!inter)nationalid|identitynumber|casenumber"
    r"|mwathiriwa|waathiriwa|mhasiriwa|wahasiriwa|manusura|mgonjwa|wagonjwa|kitambulisho"
)
_GLUED = re.compile(r"idnumber|identitycard|yearofbirth|casefile|(?:idno|caseno|casenum|caseid)\Z")  # how a word begins
_IN_CARE = re.compile(r"(?:in|out)patients?")
_IDENTITY = frozenset({"name", "names", "id", "ids", "identity", "age", "ages", "dob"})
# Words one after the other, in singular or plural.
_PHRASES = tuple(
    tuple(phrase.split())
    for phrase in (
        "dob", "d o b", "birthday", "birth date", "date of birth", "year of birth", "tarehe ya kuzaliwa", "national id",
        "national identity", "id number", "id no", "id num", "identity number", "identity no", "identity card",
        "identification number", "passport", "case number", "case no", "case num", "case id", "case file", "case ref",
        "case reference", "ob number", "ob no", "occurrence book", "suspect", "accused", "offender", "abuser", "diagnosis",
        "hiv status",
    )
)  # fmt: skip
# What a message may repeat; any other word of such a name may itself be somebody's name.
_PLAIN_WORDS = _IDENTITY.union(*_PHRASES).union(
    word
    for line in (
        "first last middle full sur other given family sex gender phone contact address tel telephone mobile email e mail",
        "victims survivor survivors patient patients perpetrator perpetrators victim incident incidents cases numbers",
        "dates time day month and or for per the total count counts list lists record records register registration",
        "details detail info information data statement story notes note report reports reported status type kind code",
        "location place county village next kin relation relationship medical history",
    )
    for word in line.split()
)

_LABELS = ("type", "kind", "name", "label", "field", "key")

_SEGMENT = re.compile(r"[^\W\d_]+|\d+")  # "victimName" is one
_WORD = re.compile(r"[A-Z]{2,}s?(?![a-z])|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]|\d+")  # and two of these


def find_survivor_members(payload: Any, inherited: Mapping[str, str], pointer: str = "") -> tuple[str, ...]:
    """Return the names of what tells of a survivor, fit for a message: members at any depth, inherited ones, lists it is in.

    Mostly none. Of the keys above a record "Victims" is such a list, "Survivor support" is a heading like any other; so it is
    with what stands beside a "value": {"type": "victim", "value": ...}.
    """
    found = dict.fromkeys(name for name in _names_in(payload, inherited) if tells_of_survivor(name))
    texts = (text for text in (*_headings(pointer), *_labels_in(payload)) if len(text) <= LONGEST_SHOWN)
    found |= dict.fromkeys(text for text in texts if _names_people(text))
    return tuple(dict.fromkeys(_to_show(name) for name in found))


def without_survivors(payload: Any) -> Any:
    """Return a copy of a payload without the members that tell of a survivor."""
    if isinstance(payload, dict):
        return {name: without_survivors(inner) for name, inner in payload.items() if not tells_of_survivor(name)}
    return [without_survivors(item) for item in payload] if isinstance(payload, list) else payload


def tells_of_survivor(name: str) -> bool:
    """Return whether a member of this name holds what is somebody's and no facility's."""
    return _remembered(name) if len(name) <= LONGEST_KEPT else _tells_of_survivor(name)


def _tells_of_survivor(name: str) -> bool:
    plain = _plain(name)
    segments = _with_care_joined(_SEGMENT.findall(plain))
    words = _with_care_joined(_WORD.findall(plain))
    return (
        any(_PEOPLE.search(segment) or _GLUED.match(segment) for segment in segments)
        or any(_holds(words, phrase) or _holds(segments, phrase) for phrase in _PHRASES)
        or (any(map(_IN_CARE.match, words)) and not _IDENTITY.isdisjoint(_IN_CARE.sub("", " ".join(words)).split()))
    )


_remembered = lru_cache(maxsize=10_000)(_tells_of_survivor)  # a file has few names, and each stands in every record


def _plain(name: str) -> str:
    """Return a name without invisible characters, accents and full-width letters."""
    return "".join(letter for letter in normalize("NFKD", clean.to_line(name)) if not combining(letter))


def _with_care_joined(parts: Sequence[str]) -> list[str]:
    """Return the parts in lower case, "out patient" and "in patients" each as the one word that they are."""
    joined: list[str] = []
    for part in map(str.casefold, parts):
        if part in ("patient", "patients") and joined and joined[-1] in ("in", "out"):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _holds(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Return whether the words of a phrase stand in a name, one after the other."""
    starts = range(len(words) - len(phrase) + 1)
    return any(
        all(word.removesuffix("s") == wanted.removesuffix("s") for word, wanted in zip(words[start:], phrase, strict=False))
        for start in starts
    )  # fmt: skip


def _names_in(payload: Any, inherited: Mapping[str, str]) -> Iterator[str]:
    """Yield the name of every member of a value, however deep, and of what is inherited."""
    yield from inherited
    for members in _objects_in(payload):
        yield from members


def _labels_in(payload: Any) -> Iterator[str]:
    """Yield what says in a text how the "value" beside it is called."""
    for members in _objects_in(payload):
        if "value" in members:
            yield from (text for name in _LABELS if isinstance(text := members.get(name), str))


def _objects_in(payload: Any) -> Iterator[dict[str, Any]]:
    pending = [payload]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield value
            value = value.values()
        elif not isinstance(value, list):
            continue
        pending += [inner for inner in value if isinstance(inner, dict | list)]


def _headings(pointer: str) -> Iterator[str]:
    """Return the keys of a pointer; its numbers are places in lists."""
    return (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/") if not part.isdecimal())


@lru_cache(maxsize=10_000)
def _names_people(text: str) -> bool:
    """Return whether a heading or a label says nothing else: "Victims", "PATIENTS", "survivor's name"."""
    if not tells_of_survivor(text):
        return False
    words = [word.casefold() for word in _WORD.findall(_plain(text))]
    return len(_SEGMENT.findall(_plain(text))) == 1 or _PLAIN_WORDS.union("s").issuperset(words)


def _to_show(name: str) -> str:
    """Return a name as a message may show it: as it is written, or without what may be somebody's name."""
    words = [word.casefold() for word in _WORD.findall(_plain(name))]
    if _PLAIN_WORDS.issuperset(words) and len(name) <= LONGEST_SHOWN:
        return clean.mask(name)
    shown = [word if word in _PLAIN_WORDS else _known_part(word) for word in words]
    return " ".join(word for word, before in zip(shown, ["", *shown], strict=False) if word != before)[:LONGEST_SHOWN]


def _known_part(word: str) -> str:
    """Return "victim…" for "victimjane": what of a word told of a survivor."""
    known = _PEOPLE.search(word) or _GLUED.match(word)
    return f"{known[0] if known else ''}\u2026"
