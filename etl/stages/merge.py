"""The golden record of a facility, folded from every source record that stands for it; what loses stays visible."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etl.stages.records import FacilityRecord


@dataclass(frozen=True, slots=True)
class Contributor:
    """One source record of a facility.

    `precedence` 1 is believed first; `precedence_by_field` overrules it for single fields. `is_missing`: its source lists it no
    more. `run` numbers when it was last read with something new. `chosen`: the fields for which a person chose this record, each
    with a number that grows from choice to choice.
    """

    record: FacilityRecord
    precedence: int
    precedence_by_field: Mapping[str, int] = field(default_factory=dict)
    is_missing: bool = False
    run: int = 0
    chosen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """What one source says of one field; `is_believed` where the golden record says the same."""

    source: str
    value: object
    is_believed: bool


_TEXTS = (
    "name", "facility_type", "identifier", "registration_number", "town", "address", "level", "ownership",
    "opening_hours", "website", "status",
)  # fmt: skip
PLACE, POSITION = "place", "position"
CHOOSABLE = (*(name for name in _TEXTS if name != "identifier"), PLACE, POSITION, "has_gender_desk")


def fold(contributors: Sequence[Contributor]) -> FacilityRecord:
    """Return the golden record: field by field the first contributor that has a value, contacts and services united.

    First comes who a person chose for the field, then by the source's precedence; of one source what it still lists before
    what it dropped, the more complete record before the poorer, the newer before the older. The order of files and records does
    not matter. A place is confidential if any source says so. The code is the founder's: the smallest by (precedence, key, code).
    Whether a new facility is in service the first contributor says.
    """
    ranked = _ranked(contributors)
    first = ranked[0].record
    founder = min(contributors, key=lambda c: (c.precedence, c.record.key, c.record.facility_code)).record
    county, constituency, ward = _fold_place(_for_field(ranked, PLACE))
    texts: dict[str, Any] = {
        name: next((v for r in _for_field(ranked, name) if (v := getattr(r, name))), "") for name in _TEXTS
    }
    return replace(
        first,
        source=founder.source,
        key=founder.key,
        facility_code=founder.facility_code,
        county_code=county,
        constituency_code=constituency,
        ward_code=ward,
        **texts,
        has_gender_desk=next(
            (v for r in _for_field(ranked, "has_gender_desk") if (v := r.has_gender_desk) is not None), None
        ),
        is_confidential=any(c.record.is_confidential for c in contributors),
        position=next((r.position for r in _for_field(ranked, POSITION) if r.position), None),
        contacts=tuple(dict.fromkeys(contact for c in ranked for contact in c.record.contacts)),
        services=tuple(dict.fromkeys(code for c in ranked for code in c.record.services)),
        unmarked=first.unmarked if len(ranked) == 1 else (),
    )


def what_sources_say(contributors: Sequence[Contributor]) -> dict[str, list[Said]]:
    """Return, for each field in which sources differ, what each says, the believed one first; contacts are told in full."""
    golden, ranked = fold(contributors), _ranked(contributors)
    said: dict[str, list[Said]] = {}
    for name in CHOOSABLE:
        believed = value_of(golden, name)
        values = [(record.source, value_of(record, name)) for record in _for_field(ranked, name)]
        told = [Said(source, value, value == believed) for source, value in values if value not in (None, "")]
        if len({repr(one.value) for one in told}) > 1:
            said[name] = sorted(told, key=lambda one: not one.is_believed)
    contacts = [Said(c.record.source, contact, is_believed=True) for c in ranked for contact in c.record.contacts]
    if len({frozenset(c.record.contacts) for c in ranked}) > 1:
        said["contacts"] = contacts
    return said


def value_of(record: FacilityRecord, name: str) -> object:
    """Return what a record says of a field of CHOOSABLE: a place as (county, constituency, ward), None or "" for nothing."""
    if name == PLACE:
        return record.county_code, record.constituency_code, record.ward_code
    if name == POSITION:
        position = record.position
        return position and (position.latitude, position.longitude)
    return getattr(record, name)


def _ranked(contributors: Sequence[Contributor]) -> list[Contributor]:
    """Return the contributors in the order in which they are believed in general."""
    if len(contributors) == 1:
        return list(contributors)

    def rank(contributor: Contributor) -> tuple[object, ...]:
        record = contributor.record
        # the text of the record settles what is left, so that two records of one key rank the same in any order
        filled = sum(1 for _ in _filled(record))
        return contributor.precedence, contributor.is_missing, -filled, -contributor.run, record.key, repr(record)

    return sorted(contributors, key=rank)


def _for_field(ranked: Sequence[Contributor], name: str) -> list[FacilityRecord]:
    """Return the records in the order in which they are believed about one field."""
    if len(ranked) == 1:
        return [ranked[0].record]
    of_field = sorted(ranked, key=lambda c: (-c.chosen.get(name, 0), c.precedence_by_field.get(name, 0)))
    return [contributor.record for contributor in of_field]


def _filled(record: FacilityRecord) -> Iterator[str]:
    names = (*_TEXTS, "constituency_code", "ward_code", "position", "contacts")
    return (name for name in names if getattr(record, name))


def _fold_place(records: Sequence[FacilityRecord]) -> tuple[str, str, str]:
    """Return county, constituency and ward: the first record's, made deeper by those that agree with it."""
    county = records[0].county_code
    constituency = ward = ""
    for record in records:
        if record.county_code != county:
            continue
        if not constituency:
            constituency = record.constituency_code
        if not ward and constituency and record.constituency_code == constituency:
            ward = record.ward_code
    return county, constituency, ward
