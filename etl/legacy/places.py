"""Legacy counties, constituencies and wards find the places of the register that they are; an invented one is never added."""

from dataclasses import dataclass, field
from typing import Any

from etl.legacy.books import Books
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.legacy.keys import Before, rekey
from etl.legacy.rows import MODELS, NAMED_BY, Written
from etl.stages import clean
from etl.stages.legacy import to_reference, to_words
from geography.gazetteer import Gazetteer, Level, Place, Resolution

TABLE_BY_LEVEL = {Level.COUNTY: "counties", Level.CONSTITUENCY: "constituencies", Level.WARD: "wards"}
_DIGITS = {Level.COUNTY: 3, Level.CONSTITUENCY: 3, Level.WARD: 4}


@dataclass(frozen=True, slots=True)
class Spot:
    """How far down the register a legacy place is real: the codes of what it lies in, "" below that."""

    county: str = ""
    constituency: str = ""
    ward: str = ""


NOWHERE = Spot()


@dataclass(slots=True)
class Places:
    """Where each legacy key of a county, constituency or ward lies, by table."""

    spots: dict[str, dict[int | str, Spot]] = field(
        default_factory=lambda: {name: {} for name in TABLE_BY_LEVEL.values()}
    )

    def spot(self, table: str, value: object) -> Spot | None:
        """Return where a reference points to; None where it names no row of the file."""
        reference = to_reference(value)
        return self.spots[table].get(reference) if reference is not None else None


def land_places(
    legacy: LegacyDatabase, *, books: Books, written: Written, gazetteer: Gazetteer, before: Before
) -> Places:
    """Return where every legacy place lies, after each that is real has its row of ours."""
    places = Places()
    matched = {table: _match(legacy, level, places, books, gazetteer) for level, table in TABLE_BY_LEVEL.items()}
    if before.is_unused:
        moved: dict[int, int] = {}
        for table, parent in (("counties", ""), ("constituencies", "county_id"), ("wards", "constituency_id")):
            wanted = {code: row.key for code, row in matched[table].items() if row.key is not None}
            moved = rekey(table, wanted, written=written, parent=parent, moved_parents=moved)
    for table, rows in matched.items():
        model: Any = MODELS[table]
        ours = dict(model._default_manager.values_list(NAMED_BY[table], "pk"))  # noqa: SLF001 - documented API
        for code, row in rows.items():
            stood = before.keys[table].get(code) == ours[code]
            (books.find if stood or not before.is_unused else books.land)(table, row, ours[code])
        books.follow_same(table)
    return places


def _match(
    legacy: LegacyDatabase, level: Level, places: Places, books: Books, gazetteer: Gazetteer
) -> dict[str, LegacyRow]:
    """Return the legacy row of each code of ours; every other one is listed."""
    table = TABLE_BY_LEVEL[level]
    matched: dict[str, LegacyRow] = {}
    for row in legacy.rows(table):
        books.read[table] += 1
        above = _spot_above(row, level, places)
        place, reason = _find(row, level, above, gazetteer)
        spot = _spot_of(place, gazetteer) if place else above or NOWHERE
        if row.reference is not None:
            places.spots[table].setdefault(row.reference, spot)
        if place is None:
            books.list(table, row, reason)
        elif place.code in matched:
            books.list_same(table, row, matched[place.code])
        else:
            matched[place.code] = row
            _note_differences(row, place, above, books, gazetteer)
    return matched


def _spot_above(row: LegacyRow, level: Level, places: Places) -> Spot | None:
    if level is Level.COUNTY:
        return NOWHERE
    table, column = ("counties", "county_id") if level is Level.CONSTITUENCY else ("constituencies", "constituency_id")
    return places.spot(table, row.values.get(column))


def _find(row: LegacyRow, level: Level, above: Spot | None, gazetteer: Gazetteer) -> tuple[Place | None, str]:
    """Return the place that a row is, or why it is none: its code and name say the same place, or its name does in its parent."""
    table = TABLE_BY_LEVEL[level]
    name = clean.to_value(to_words(row.values.get(f"{level.value}_name")))
    if not name:
        return None, f"its name says of no {level.value} which it is"
    by_code = gazetteer.place(level, _code(row, level))
    if by_code and _resolved(_resolve(level, name, _spot_of(by_code, gazetteer), gazetteer), level) == by_code:
        return by_code, ""
    if above is None:
        return None, f"what it lies in is not in the file, and its code and name are not those of one of our {table}"
    if level is not Level.COUNTY and not (above.county if level is Level.CONSTITUENCY else above.constituency):
        return None, f"'{clean.mask(name)}' lies in a place that is not in the register"
    found = _resolve(level, name, above, gazetteer)
    place = _resolved(found, level)
    if place and (level is not Level.WARD or place.parent_code == above.constituency):
        return place, ""
    nearest = [gazetteer.path(one) for match in found.matches if match.level is level for one in match.candidates]
    hint = f"; nearest: {'; '.join(nearest)}" if nearest else ""
    return None, f"'{clean.mask(name)}' is no {level.value} of the register there, and was not added{hint}"


def _resolve(level: Level, name: str, above: Spot, gazetteer: Gazetteer) -> Resolution:
    if level is Level.COUNTY:
        return gazetteer.resolve(county=name)
    if level is Level.CONSTITUENCY:
        return gazetteer.resolve(county=above.county, constituency=name)
    return gazetteer.resolve(county=above.county, constituency=above.constituency, ward=name)


def _resolved(found: Resolution, level: Level) -> Place | None:
    return {Level.COUNTY: found.county, Level.CONSTITUENCY: found.constituency, Level.WARD: found.ward}[level]


def _code(row: LegacyRow, level: Level) -> str:
    code = to_words(row.values.get(f"{level.value}_code"))
    return code.zfill(_DIGITS[level]) if code.isdecimal() else code


def _spot_of(place: Place, gazetteer: Gazetteer) -> Spot:
    parent = gazetteer.parent(place)
    if place.level is Level.COUNTY:
        return Spot(place.code)
    if place.level is Level.CONSTITUENCY:
        return Spot(place.parent_code, place.code)
    return Spot(parent.parent_code if parent else "", place.parent_code, place.code)


def _note_differences(row: LegacyRow, place: Place, above: Spot | None, books: Books, gazetteer: Gazetteer) -> None:
    """Say what the register says otherwise about a place that is real: its code, its name, where it lies."""
    table, told = TABLE_BY_LEVEL[place.level], to_words(row.values.get(f"{place.level.value}_name"))
    if (code := _code(row, place.level)) and code != place.code:
        books.note(table, row, f"its code was '{clean.mask(code)}', and is {place.code} in the register")
    if told.casefold() != place.name.casefold():
        books.note(table, row, f"'{clean.mask(told)}' is called {place.name} in the register")
    lies_in = {Level.COUNTY: "", Level.CONSTITUENCY: above and above.county, Level.WARD: above and above.constituency}
    if (lies_in[place.level] or "") != place.parent_code:
        books.note(table, row, f"it lies in {gazetteer.path(place).partition(', ')[2]} by the register")
