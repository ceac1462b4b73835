"""Legacy facilities with what belongs to them, as rows of ours: under their own keys, sealed where they are confidential."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import batched, count
from typing import Any

from etl.codes import find_facilities
from etl.legacy.children import (
    CONTACTS,
    POSITIONS,
    SERVICES,
    LegacyContact,
    read_contacts,
    read_position,
    read_services,
)
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.legacy.ground import Family, Ground
from etl.legacy.places import NOWHERE, Spot
from etl.legacy.rows import PORTION
from etl.legacy.standing import Planned, keep_standing
from etl.legacy.writing import Landing, write_landings
from etl.models import ImportRun, SourceFile
from etl.sources import MIGRATED
from etl.stages import clean
from etl.stages.identity import facility_code
from etl.stages.legacy import CHILDREN, to_code, to_key, to_words
from etl.stages.records import FacilityRecord, StagedFacility
from etl.stages.transform import standardise
from facilities.models import Facility

TABLE = "facilities"
_SHORTEST_NUMBER = 4  # characters of a registration number that tell one place from others
_LONGEST = {
    "name": 255, "registration_number": 100, "town": 100, "level": 50, "ownership": 100, "opening_hours": 200, "website": 255,
}  # fmt: skip


def land_facilities(
    legacy: LegacyDatabase, *, ground: Ground, run: ImportRun, file: SourceFile, fingerprint: str
) -> None:
    """Give every legacy facility, and what belongs to it, its rows; what the registry has already stays as it is."""
    family = Family.read(legacy, ground.books)
    codes = (to_words(row.values.get("facility_code")) for row in legacy.rows(TABLE))
    spoken_for = {code for code in codes if code == to_code(code)}
    for rows in batched(legacy.rows(TABLE), PORTION):
        ground.books.read[TABLE] += len(rows)
        planned = [one for row in rows if (one := _plan(row, family, ground, spoken_for))]
        found = find_facilities({one.record.facility_code for one in planned})
        standing = Facility.objects.with_details().in_bulk({facility.pk for facility in found.values()})
        landings = [_landing(one, ground) for one in planned if one.record.facility_code not in found]
        for one in planned:
            if facility := found.get(one.record.facility_code):
                keep_standing(one, standing[facility.pk], ground)
        write_landings(landings, ground=ground, run=run, file=file, fingerprint=fingerprint)
    family.list_orphans(ground.books)


def _plan(row: LegacyRow, family: Family, ground: Ground, spoken_for: set[str]) -> Planned | None:
    """Return what a row says as a record of ours; None, with row and children listed, where it has no name or no county."""
    spot = _spot(row, ground)
    children = {table: family.take(table, row.reference) for table in CHILDREN}
    staged = _staged(row, spot)
    said = standardise(staged, source=MIGRATED, key=row.label, reference=ground.reference)
    reason = "it has no name" if not said.record.name else "" if spot.county else _why_no_county(row)
    if reason:
        ground.books.list(TABLE, row, reason)
        for table, rows in children.items():
            for child in rows:
                ground.books.list(table, child, f"its facility {row.label} did not land")
        return None
    services = read_services(children[SERVICES], ground)
    staged = replace(staged, services=tuple(service.code for service in services))
    record = standardise(staged, source=MIGRATED, key=row.label, reference=ground.reference).record
    _note_lost(row, staged, record, ground)
    reached = read_contacts(
        children[CONTACTS], in_name=record.contacts, is_hidden=record.is_confidential, ground=ground
    )
    position = read_position(children[POSITIONS], ground)
    tells = record.is_confidential and _tells_of_place(row, staged)
    record = replace(record, facility_code=_code(row, staged, spot, ground, spoken_for, tells=tells))
    record = replace(
        record,
        key=f"id:{record.facility_code}",
        registration_number=_number(row, record, ground),
        status=_status(row, ground),
        county_code=spot.county,
        constituency_code=spot.constituency,
        ward_code=spot.ward,
        website=record.website or reached.website,
        position=position and position[1],
        services=tuple(service.code for service in services if service.is_active),
        is_active=ground.flag(TABLE, row, "is_active", otherwise=True),
        **_in_order(reached.contacts),
    )
    return Planned(row, _cut(row, record, ground), tuple(services), tuple(reached.contacts), position and position[0])


def _in_order(contacts: Sequence[LegacyContact]) -> dict[str, Any]:
    """Return contacts and unmarked types as a record holds them: the primary one of each type first."""
    ordered = sorted(contacts, key=lambda one: not one.is_primary)
    marked = {one.contact.type for one in contacts if one.is_primary}
    types = dict.fromkeys(one.contact.type for one in ordered)
    return {
        "contacts": tuple(one.contact for one in ordered),
        "unmarked": tuple(sorted(kind for kind in types if kind not in marked)),
    }


def _staged(row: LegacyRow, spot: Spot) -> StagedFacility:
    def text(column: str) -> str:
        return to_words(row.values.get(column))

    return StagedFacility(
        name=text("facility_name"),
        registration_number=text("registration_number"),
        facility_type=text("facility_type"),
        county=spot.county,
        address=text("address"),
        town=text("town"),
        level=text("level"),
        ownership=text("ownership"),
        opening_hours=text("opening_hours"),
        website=text("website"),
        gender_desk=text("has_gender_desk"),
        confidential=text("is_confidential"),
    )


def _spot(row: LegacyRow, ground: Ground) -> Spot:
    """Return where a facility lies, as far down as it is real: by its ward, else by what else it names."""
    spots = [
        found
        for table, column in (("wards", "ward_id"), ("constituencies", "constituency_id"), ("counties", "county_id"))
        if (found := ground.places.spot(table, row.values.get(column)))
    ]
    texts = {
        name: clean.to_value(to_words(value))
        for name in ("county", "constituency", "ward")
        if to_key(value := row.values.get(f"{name}_id")) is None
    }
    if texts.get("county"):
        named = ground.reference.gazetteer.resolve(**texts)
        spots.append(Spot(*(place.code if place else "" for place in (named.county, named.constituency, named.ward))))
    spot = next((spot for spot in spots if spot.county), NOWHERE)
    if spot.county and not spot.ward and row.values.get("ward_id") is not None:
        ground.books.note(TABLE, row, "its ward is not in the register or not in the file; it was left empty")
    return spot


def _why_no_county(row: LegacyRow) -> str:
    ward = row.values.get("ward_id")
    key = to_key(ward)
    if ward is None:
        return "it names no ward, and no county can be told"
    return f"no county can be told from its ward{f' {key}' if key is not None else ''}: give it a real one, and migrate again"


def _tells_of_place(row: LegacyRow, staged: StagedFacility) -> bool:
    """Return whether a code, which everybody reads, holds words of what a confidential place seals, or its number."""
    code = to_words(row.values.get("facility_code")).upper()
    words = re.findall(r"[A-Z]{4,}", f"{staged.name} {staged.address} {staged.town}".upper())
    number = to_code(staged.registration_number)
    return any(word in code for word in words) or (len(number) >= _SHORTEST_NUMBER and number in to_code(code))


def _code(
    row: LegacyRow, staged: StagedFacility, spot: Spot, ground: Ground, spoken_for: set[str], *, tells: bool
) -> str:
    """Return the facility's code: its own, without what a code cannot have, else a new one that is always the same."""
    own = to_words(row.values.get("facility_code"))
    code = to_code(own)
    is_another_s = bool(code) and (code in ground.codes or (code != own and code in spoken_for))
    if not code or is_another_s or tells:
        drawn = (
            facility_code(staged, source=MIGRATED, key=key, county_code=spot.county)
            for key in (f"{row.label}|{number}" for number in count(1))
        )
        code = next(one for one in drawn if one not in ground.codes)
        why = "its code is too long, or has no letter or digit" if own else "it has no code"
        why = "its code tells of a confidential place" if tells and code else why
        why = "another facility has its code" if is_another_s else why
        ground.books.note(TABLE, row, f"{why}; it has a new one")
    elif code != own:
        ground.books.note(TABLE, row, f"its code was not written as codes are, and is {code}")
    ground.codes.add(code)
    return code


def _number(row: LegacyRow, record: FacilityRecord, ground: Ground) -> str:
    """Return the registration number, "" where another open facility has it; a confidential place claims none."""
    number = record.registration_number
    if not number or record.is_confidential:
        return number
    if ground.numbers.setdefault(number, record.facility_code) != record.facility_code:
        ground.books.note(TABLE, row, "another facility has its registration number; it landed without one")
        return ""
    return number


def _status(row: LegacyRow, ground: Ground) -> str:
    value = row.values.get("operational_status_id")
    code = ground.code_of("operational_statuses", value)
    if value is not None and not code:
        ground.books.note(TABLE, row, "its operational status is not in the file; it was left empty")
    return code


def _note_lost(row: LegacyRow, staged: StagedFacility, record: FacilityRecord, ground: Ground) -> None:
    """Say which words of a facility found nothing in our lists."""
    stated = clean.to_value(staged.facility_type)
    if stated and clean.to_key(stated) not in ground.reference.facility_types.code_by_text:
        got = f"its name says {record.facility_type}" if record.facility_type else "it was left empty"
        ground.books.note(TABLE, row, f"its type is not in our list ('{clean.mask(stated)}'); {got}")
    if staged.website and clean.to_value(staged.website) and not record.website:
        ground.books.note(TABLE, row, "its website is no web address, and was left out")
    if record.contacts:
        ground.books.note(TABLE, row, "a contact stood in its name; it has a row of its own now")


def _cut(row: LegacyRow, record: FacilityRecord, ground: Ground) -> FacilityRecord:
    too_long = {name: length for name, length in _LONGEST.items() if len(getattr(record, name)) > length}
    for name, length in too_long.items():
        ground.books.note(TABLE, row, f"{name} has more than {length} characters, and was cut")
    return replace(record, **{name: getattr(record, name)[:length].strip() for name, length in too_long.items()})


def _landing(planned: Planned, ground: Ground) -> Landing:
    row = planned.row
    pk = ground.keys[TABLE].take(row.key)
    if row.key is None:
        ground.books.note(TABLE, row, f"its key is none that we can keep; it is {pk}")
    elif pk != row.key:
        ground.books.note(TABLE, row, f"its key belongs to another facility; it is {pk}")
    return Landing(planned, pk)
