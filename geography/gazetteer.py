"""Kenya's counties, constituencies and wards in memory, and the resolver that reads them off what a source writes.

Closed and frozen: a text resolves to a place of the register or to nothing, and then the match says why.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from rapidfuzz.fuzz import ratio

from geography.names import (
    constituency_key,
    county_key,
    direction_words,
    is_misspelling,
    location_segments,
    place_key,
    stated,
    ward_key,
)

NEAREST = 3
MEMORY = 50_000  # resolutions kept: a list names few places many times
OPEN_KINDS = frozenset(("pre-2012-constituency",))  # names candidates, which a ward settles


class Level(StrEnum):
    """A level of the register, the upper ones first."""

    COUNTY = "county"
    CONSTITUENCY = "constituency"
    WARD = "ward"


class How(StrEnum):
    """What a match rests on."""

    CODE = "code"
    EXACT = "exact"
    ALIAS = "alias"
    FUZZY = "fuzzy"
    TOWN = "town"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Place:
    """One place of the register under its IEBC code; a county's parent_code is ""."""

    level: Level
    code: str
    name: str
    parent_code: str


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of the place `target_code` inside its parent; a town's target is a county."""

    level: str
    alias: str
    parent_code: str
    target_code: str
    kind: str


@dataclass(frozen=True, slots=True)
class Match:
    """What one level came to: a place and how it was found, or a problem and the places it may be."""

    level: Level
    given: str
    place: Place | None = None
    how: How | None = None
    problem: str = ""
    candidates: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolution:
    """The places a record lies in, each inside the one above, and one match per level given or derived."""

    county: Place | None
    constituency: Place | None
    ward: Place | None
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """One name under one parent: an official one, or an alias; open where it only names candidates."""

    key: str
    places: tuple[Place, ...]
    how: How
    is_open: bool = False


_KEY_OF: dict[Level, Callable[[str], str]] = {
    Level.COUNTY: county_key,
    Level.CONSTITUENCY: constituency_key,
    Level.WARD: ward_key,
}
_TOP = ("",)  # the parent of the counties


class Gazetteer:
    """The frozen index; build it with `Gazetteer.of`."""

    __slots__ = ("_children", "_everywhere", "_names", "_places", "_resolved", "_towns", "fingerprint", "words")

    def __init__(self, places: Sequence[Place], aliases: Sequence[Alias]) -> None:
        self.fingerprint = sha256("\n".join(sorted(map(repr, (*places, *aliases)))).encode()).hexdigest()
        self.words = frozenset(word for place in places for word in place_key(place.name).split())  # of every name
        self._places = {(place.level, place.code): place for place in places}
        self._children: dict[str, tuple[str, ...]] = defaultdict(tuple)  # constituency codes by county code
        # by level and parent, then by key without spaces
        self._names: dict[tuple[Level, str], dict[str, _Name]] = defaultdict(dict)
        self._everywhere: dict[tuple[Level, str], tuple[Place, ...]] = {}
        self._towns: dict[str, _Name] = {}  # counties by town
        self._resolved: dict[tuple[str, ...], Resolution] = {}
        for place in sorted(places, key=lambda place: (list(Level).index(place.level), place.code)):
            self._add_place(place)
        for alias in sorted(aliases, key=lambda alias: (alias.level, alias.alias, alias.target_code)):
            self._add_alias(alias)

    @classmethod
    def of(cls, places: Iterable[Place], aliases: Iterable[Alias]) -> "Gazetteer":
        """Return the index over places and aliases in any order; raises ValueError where one lies nowhere."""
        return cls(tuple(places), tuple(aliases))

    def place(self, level: Level, code: str) -> Place | None:
        """Return the place of this level under its IEBC code."""
        return self._places.get((level, code))

    def parent(self, place: Place) -> Place | None:
        """Return the place that this one lies in; None for a county."""
        upper = {Level.WARD: Level.CONSTITUENCY, Level.CONSTITUENCY: Level.COUNTY}.get(place.level)
        return self._places.get((upper, place.parent_code)) if upper else None

    def path(self, place: Place) -> str:
        """Return the place and what it lies in: "Kilimani, Dagoretti North, Nairobi"."""
        parent = self.parent(place)
        return f"{place.name}, {self.path(parent)}" if parent else place.name

    def resolve(
        self, *, county: str = "", constituency: str = "", sub_county: str = "", ward: str = "", location_text: str = ""
    ) -> Resolution:
        """Return the places that the texts name, level by level inside the parent, and why a level stays empty.

        The upper level stands where two contradict each other. `location_text` counts for a blank county only, and a
        county never follows from what lies in it. Nothing is returned that the texts do not determine.
        """
        texts = (county, constituency, sub_county, ward, location_text)
        if texts not in self._resolved:
            if len(self._resolved) >= MEMORY:
                self._resolved.clear()
            self._resolved[texts] = self._resolve(*texts)
        return self._resolved[texts]

    def _resolve(self, county: str, constituency: str, sub_county: str, ward: str, location_text: str) -> Resolution:
        county_match = self._match_county(county, location_text)
        if county_match is None or county_match.place is None:
            area = self._unplaced(Level.CONSTITUENCY, constituency, sub_county)
            ward_match = self._unplaced(Level.WARD, ward)
        else:
            area = self._match_area(county_match.place, stated(constituency), stated(sub_county))
            ward_match = self._match_ward(county_match.place, area, stated(ward)) if stated(ward) else None
            area = self._settle(area, ward_match)
        matches = tuple(match for match in (county_match, area, ward_match) if match)
        found = {match.level: match.place for match in matches}
        return Resolution(found.get(Level.COUNTY), found.get(Level.CONSTITUENCY), found.get(Level.WARD), matches)

    # -- county

    def _match_county(self, county: str, location_text: str) -> Match | None:
        text = stated(county)
        if not text:
            return self._match_location(location_text.strip()) if stated(location_text) else None
        if found := self._find(Level.COUNTY, text, _TOP):
            return _one_of(found, Level.COUNTY, text, otherwise="county-unknown")
        # "Malindi" is a town in the wrong column: a person decides, and Kilifi is the first candidate
        areas = self._everywhere.get((Level.CONSTITUENCY, self._key(Level.CONSTITUENCY, text)), ())
        known = (*_places(self._town(text)), *(self._line(area)[-1] for area in areas))
        return self._guess(Level.COUNTY, text, _TOP, first=known)

    def _match_location(self, text: str) -> Match:
        segments = location_segments(text)
        named = [_each(self._county, segment) for segment in segments]
        found = tuple(name for names in named for name in names)
        if len(_places(found)) > 1 and len(_places(named[-1])) == 1:  # "Samburu, Kwale" runs from near to far
            found = named[-1]
        found = found or tuple(name for segment in segments for name in _each(self._town, segment))
        return _one_of(found, Level.COUNTY, text, otherwise="county-unknown")

    def _county(self, text: str) -> tuple[_Name, ...]:
        """Return what a part of a location text names: "Kiambu", "Kiambu County", "Juja Kiambu County"."""
        names = self._names[Level.COUNTY, ""]
        words = place_key(text).split()
        keys = [_compact(county_key(text))]
        if words[-1:] == ["county"] and words[-2:-1] != ["sub"]:
            keys += ["".join(words[-length:-1]) for length in (4, 3, 2)]
        return next(((names[key],) for key in keys if key in names and not key.isdecimal()), ())  # 020 dials Nairobi

    def _town(self, text: str) -> tuple[_Name, ...]:
        key = _compact(place_key(text))
        town = self._towns.get(key) or self._towns.get(key.removesuffix("town"))
        return (town,) if town else ()

    # -- constituency

    def _match_area(self, county: Place, constituency: str, sub_county: str) -> Match | None:
        first = self._match_constituency(county, constituency) if constituency else None
        if not sub_county or (first and (first.place or first.problem == "constituency-outside-county")):
            return first
        second = self._match_constituency(county, sub_county)
        if first is None:
            return second
        if first.problem == "constituency-ambiguous":
            return second if second.place in first.candidates else first
        return first if second.problem == "constituency-unknown" else second

    def _match_constituency(self, county: Place, text: str) -> Match:
        level, parents = Level.CONSTITUENCY, (county.code,)
        if found := self._find(level, text, parents):
            return _one_of(found, level, text, otherwise="constituency-ambiguous")
        if elsewhere := self._everywhere.get((level, self._key(level, text))):
            return Match(level, text, problem="constituency-outside-county", candidates=elsewhere)
        return self._guess(level, text, parents)

    def _settle(self, area: Match | None, ward_match: Match | None) -> Match | None:
        """Return the constituency of a resolved ward where the constituency's own text left it open."""
        if ward_match is None or ward_match.place is None or (area and area.place):
            return area
        # an old name is settled by the ward; a blank or unknown one follows from it
        how = How.ALIAS if area and area.problem == "constituency-ambiguous" else How.DERIVED
        return Match(Level.CONSTITUENCY, area.given if area else "", self.parent(ward_match.place), how)

    # -- ward

    def _match_ward(self, county: Place, area: Match | None, text: str) -> Match:
        """Return the ward inside its constituency; without one, the only ward of the county with this very name."""
        level, in_county = Level.WARD, self._children[county.code]
        may_be: tuple[str, ...] = ()
        if area is None or area.problem == "constituency-unknown":
            found = self._find(level, text, in_county)
        else:  # contradicted by its county, a constituency leaves nowhere to look
            places = (area.place,) if area.place else area.candidates
            may_be = tuple(place.code for place in places if place.parent_code == county.code)
            found = self._find(level, text, may_be)
            found = tuple(name for name in found if name.how is not How.ALIAS) or found
        if found:
            return _one_of(found, level, text, otherwise="ward-ambiguous")
        if elsewhere := self._everywhere.get((level, self._key(level, text)), ()):
            nearby = tuple(ward for ward in elsewhere if ward.parent_code in in_county)
            return Match(level, text, problem="ward-outside-constituency", candidates=nearby or elsewhere)
        return self._guess(level, text, may_be or in_county, is_settled=bool(may_be))

    # -- every level

    def _key(self, level: Level, text: str) -> str:
        """Return what a name or code is looked up by; a number that is no code of the register looks up nothing.

        30 and KE-30 are Nairobi in ISO 3166-2; only "030" is Baringo.
        """
        key = _compact(_KEY_OF[level](text))
        return text if key.isdecimal() else key

    def _find(self, level: Level, text: str, parents: Sequence[str]) -> tuple[_Name, ...]:
        """Return what bears this code or key under the parents, one at most for each."""
        key = self._key(level, text)
        found = tuple(self._names[level, parent][key] for parent in parents if key in self._names[level, parent])
        if all(name.key == _KEY_OF[level](text) for name in found):
            return found
        # without its spaces "Naathu I" is Naathui, an alias of Naathu; but "Murang a" is Murang'a
        directions = direction_words(text).difference("abcd")
        return tuple(name for name in found if directions <= direction_words(name.key))

    def _unplaced(self, level: Level, *texts: str) -> Match | None:
        """Return the problem of a text whose county is unknown; it names where in Kenya such a place is."""
        text = next(filter(None, map(stated, texts)), "")
        elsewhere = self._everywhere.get((level, self._key(level, text)), ())
        return Match(level, text, problem=f"{level}-unknown", candidates=elsewhere) if text else None

    def _guess(
        self, level: Level, text: str, parents: Sequence[str], *, first: tuple[Place, ...] = (), is_settled: bool = True
    ) -> Match:
        """Return the one place that the text misspells under settled parents, else the nearest after `first`."""
        ranked = self._rank(level, text, parents)
        best = next((name for name in ranked if name.how is How.EXACT), None)
        if best and is_settled and not first and not self._is_another(text, best.places[0]):
            rivals = (name.key for name in ranked if name.places != best.places)
            if is_misspelling(_KEY_OF[level](text), best.key, rivals=rivals):
                return Match(level, text, best.places[0], How.FUZZY)
        return Match(
            level,
            text,
            problem=f"{level}-unknown",
            candidates=_distinct((*first, *_places(ranked)))[:NEAREST],
        )

    def _is_another(self, text: str, place: Place) -> bool:
        """Return True where the text is no misspelling but the name of a place elsewhere: Kamburu is not Samburu."""
        others = [other for level in Level for other in self._everywhere.get((level, self._key(level, text)), ())]
        return bool(others) and not any(place in self._line(other) or other in self._line(place) for other in others)

    def _line(self, place: Place) -> tuple[Place, ...]:
        parent = self.parent(place)
        return (place, *self._line(parent)) if parent else (place,)

    def _rank(self, level: Level, text: str, parents: Sequence[str]) -> list[_Name]:
        """Return every name under the parents, the likest to the text first; none for a number."""
        key = _KEY_OF[level](text)
        if not any(letter.isalpha() for letter in key):
            return []
        names = [name for parent in parents for name in self._names[level, parent].values() if name.how is not How.CODE]
        return sorted(names, key=lambda name: (-ratio(key, name.key), name.places[0].code, name.key))

    # -- building

    def _add_place(self, place: Place) -> None:
        parent = "" if place.level is Level.COUNTY else place.parent_code
        if place.level is not Level.COUNTY and self.parent(place) is None:
            raise ValueError(f"{place.level} {place.code} {place.name} lies in {place.parent_code}, which is not there")
        key = _KEY_OF[place.level](place.name)
        siblings = self._names[place.level, parent]
        if _compact(key) in siblings:
            raise ValueError(
                f"{place.level} {place.code} {place.name} has the key of {siblings[_compact(key)].places[0]}"
            )
        siblings[_compact(key)] = _Name(key, (place,), How.EXACT)
        siblings[place.code] = _Name(place.code, (place,), How.CODE)
        self._know_everywhere(place, key)
        self._know_everywhere(place, place.code)
        if place.level is Level.CONSTITUENCY:
            self._children[parent] += (place.code,)

    def _add_alias(self, alias: Alias) -> None:
        level = Level.COUNTY if alias.level == "town" else Level(alias.level)
        target = self._places.get((level, alias.target_code))
        if target is None or (alias.level != "town" and target.parent_code != alias.parent_code):
            raise ValueError(
                f"alias {alias.alias} names {level} {alias.target_code} in {alias.parent_code}, which is not there"
            )
        key = place_key(alias.alias) if alias.level == "town" else _KEY_OF[level](alias.alias)
        names = self._towns if alias.level == "town" else self._names[level, alias.parent_code]
        known = names.get(_compact(key))
        if known and known.how is How.EXACT:
            return  # the official name wins
        how = How.TOWN if alias.level == "town" else How.ALIAS
        places = _distinct((*(known.places if known else ()), target))
        is_open = alias.kind in OPEN_KINDS or bool(known and known.is_open)
        names[_compact(key)] = _Name(key, places, how, is_open)
        if how is How.ALIAS and not is_open:
            self._know_everywhere(target, key)

    def _know_everywhere(self, place: Place, key: str) -> None:
        known = self._everywhere.get((place.level, _compact(key)), ())
        self._everywhere[place.level, _compact(key)] = _distinct((*known, place))


def _compact(key: str) -> str:
    return key.replace(" ", "")  # "TransNzoia", "Homabay", "Ziwa Lang'ombe"


def _distinct(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(places))


def _places(names: Iterable[_Name]) -> tuple[Place, ...]:
    return _distinct(place for name in names for place in name.places)


def _each(read: Callable[[str], tuple[_Name, ...]], segment: Sequence[str]) -> tuple[_Name, ...]:
    """Return what the segment as a whole names, else what its alternatives name."""
    return read(segment[0]) or tuple(name for part in segment[1:] for name in read(part))


def _one_of(found: Sequence[_Name], level: Level, text: str, *, otherwise: str) -> Match:
    """Return the place where all that was found is one; else the problem with the places as candidates."""
    places = found[0].places if len(found) == 1 else _places(found)
    if len(places) != 1 or any(name.is_open for name in found):
        return Match(level, text, problem=otherwise, candidates=places)
    return Match(level, text, places[0], found[0].how)
