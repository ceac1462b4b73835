"""The golden record of a facility, folded from every source record that stands for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl.stages.records import FacilityRecord


@dataclass(frozen=True, slots=True)
class Contributor:
    """One source record of a facility; `precedence` 1 is believed first."""

    record: FacilityRecord
    precedence: int


def fold(contributors: Sequence[Contributor]) -> FacilityRecord:
    """Return the golden record: field by field the first source that has a value, contacts and services united.

    Sources come in their precedence, of equals the more complete record first, then by key: the order of files and
    records does not matter. A place is confidential if any source says so. The code is the founder's: the smallest by
    (precedence, key, code).
    """
    ordered = [c.record for c in sorted(contributors, key=_rank)]
    founder = min(contributors, key=lambda c: (c.precedence, c.record.key, c.record.facility_code)).record
    first = ordered[0]
    county, constituency, ward = _fold_place(ordered)
    return replace(
        first,
        source=founder.source,
        key=founder.key,
        facility_code=founder.facility_code,
        county_code=county,
        constituency_code=constituency,
        ward_code=ward,
        **{name: _first(ordered, name) for name in _TEXTS},
        has_gender_desk=next((r.has_gender_desk for r in ordered if r.has_gender_desk is not None), None),
        is_confidential=any(record.is_confidential for record in ordered),
        position=next((record.position for record in ordered if record.position), None),
        contacts=tuple(dict.fromkeys(contact for record in ordered for contact in record.contacts)),
        services=tuple(dict.fromkeys(code for record in ordered for code in record.services)),
    )


_TEXTS = (
    "name", "facility_type", "identifier", "registration_number", "town", "address", "level", "ownership",
    "opening_hours", "website", "status",
)  # fmt: skip


def _rank(contributor: Contributor) -> tuple[int, int, str, str]:
    record = contributor.record
    filled = sum(
        bool(getattr(record, name)) for name in (*_TEXTS, "constituency_code", "ward_code", "position", "contacts")
    )
    # the text of the record itself settles what is left, so that two records of one key rank the same in any order
    return contributor.precedence, -filled, record.key, repr(record)


def _first(records: Sequence[FacilityRecord], name: str) -> str:
    return next((value for record in records if (value := getattr(record, name))), "")


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
