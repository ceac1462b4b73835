"""Business rules: RULES look at one canonical record, DATASET_RULES at all facilities together.

A rule holds for any record, whoever made it: a source, a merge or a person.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from etl.stages import clean
from etl.stages.records import FacilityRecord, Finding, Reference, Severity
from geography.distance import distance_km
from geography.gazetteer import Level

FAR_FROM_COUNTY_KM = 150.0  # Turkana, the largest county, is about 300 km long
FEWEST_POSITIONS = 5  # a median of fewer says nothing
MANY_FACILITIES = 10

Rule = Callable[[FacilityRecord, Reference], Iterator[Finding]]

# kps_stations repeats its column headings inside the lists
_HEADER_WORDS = frozenset(
    {
        "station",
        "stations",
        "name",
        "names",
        "police",
        "county",
        "sub",
        "s",
        "no",
        "sno",
        "contact",
        "contacts",
        "location",
        "of",
        "the",
        "ocs",
        "tel",
        "phone",
        "total",
        "region",
        "serial",
        "number",
        "and",
        "division",
    }
)
_E164 = re.compile(r"\+[1-9]\d{6,14}")


def has_a_name(record: FacilityRecord, _: Reference) -> Iterator[Finding]:
    """Yield a reject for a record without a name: a header or NIL row in a list of stations, a hole elsewhere."""
    if not record.name and record.facility_type == "police-station":
        yield _reject("not-a-station", "name", "the row names no station")
    elif not record.name:
        yield _reject("name-missing", "name", "the record has no name")


def is_no_header_row(record: FacilityRecord, _: Reference) -> Iterator[Finding]:
    """Yield a reject for a row whose name holds nothing but the words of a table's heading."""
    words = clean.to_key(record.name).split()
    if words and record.facility_type == "police-station" and _HEADER_WORDS.issuperset(words):
        yield _reject("not-a-station", "name", f"'{clean.mask(record.name)}' is a heading, not a station")
    elif record.name and not any(letter.isalpha() for letter in record.name):
        rule = "not-a-station" if record.facility_type == "police-station" else "name-missing"
        yield _reject(rule, "name", "the name holds no letter")


def hierarchy_is_valid(record: FacilityRecord, reference: Reference) -> Iterator[Finding]:
    """Yield a reject where ward, constituency and county do not lie one inside the other."""
    gazetteer = reference.gazetteer
    ward = gazetteer.place(Level.WARD, record.ward_code) if record.ward_code else None
    constituency = gazetteer.place(Level.CONSTITUENCY, record.constituency_code) if record.constituency_code else None
    broken = (
        (record.ward_code and (ward is None or ward.parent_code != record.constituency_code))
        or (record.constituency_code and (constituency is None or constituency.parent_code != record.county_code))
        or (record.county_code and gazetteer.place(Level.COUNTY, record.county_code) is None)
    )
    if broken:
        yield _reject("hierarchy-invalid", "location", "ward, constituency and county do not lie one inside the other")


def position_lies_in_kenya(record: FacilityRecord, _: Reference) -> Iterator[Finding]:
    """Yield a reject for a position outside Kenya."""
    if record.position and not clean.lies_in_kenya(record.position.latitude, record.position.longitude):
        yield _reject("position-invalid", "position", "the position lies outside Kenya")


def contacts_are_well_formed(record: FacilityRecord, reference: Reference) -> Iterator[Finding]:
    """Yield a reject for a contact of an unknown type, or one that is neither E.164, a short code nor an e-mail address."""
    for contact in record.contacts:
        is_good = (
            clean.to_email(contact.value) == contact.value
            if contact.type == "email"
            else bool(_E164.fullmatch(contact.value)) or clean.is_short_code(contact.value)
        )
        if not is_good or contact.type not in reference.contact_types.codes:
            yield _reject("contact-invalid", "contacts", f"'{clean.mask(contact.value)}' is no valid {contact.type}")


def lookups_are_known(record: FacilityRecord, reference: Reference) -> Iterator[Finding]:
    """Yield a reject for a status, type or service that is not in its list."""
    known = (
        ("status", (record.status,), reference.statuses),
        ("facility_type", (record.facility_type,), reference.facility_types),
        ("services", record.services, reference.services),
    )
    for column, codes, lookup in known:
        for code in codes:
            if code and code not in lookup.codes:
                yield _reject("lookup-unknown", column, f"'{clean.mask(code)}' is not in the list of known ones")


RULES: tuple[Rule, ...] = (
    has_a_name,
    is_no_header_row,
    hierarchy_is_valid,
    position_lies_in_kenya,
    contacts_are_well_formed,
    lookups_are_known,
)


def find_rule_breaks(record: FacilityRecord, reference: Reference) -> tuple[Finding, ...]:
    """Return what the record breaks of RULES, each rule id once for each field."""
    findings = (finding for rule in RULES for finding in rule(record, reference))
    return tuple({(finding.rule, finding.message): finding for finding in findings}.values())


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the rules about the whole registry look at.

    `points_by_county`: county code -> (facility code, latitude, longitude), open positions only.
    `facility_count_by_contact`: contact (any stable stand-in for it) -> on how many facilities it stands.
    """

    points_by_county: Mapping[str, Sequence[tuple[str, float, float]]]
    facility_count_by_contact: Mapping[str, int]


def positions_far_from_their_county(dataset: Dataset) -> Iterator[Finding]:
    """Yield a warning for each position more than FAR_FROM_COUNTY_KM from the median position of its county."""
    for points in dataset.points_by_county.values():
        if len(points) < FEWEST_POSITIONS:
            continue
        centre = median(point[1] for point in points), median(point[2] for point in points)
        for code, latitude, longitude in points:
            away_km = distance_km(centre, (latitude, longitude))
            if away_km > FAR_FROM_COUNTY_KM:
                message = f"{code} lies {away_km:.0f} km from the middle of its county's facilities"
                yield Finding(
                    "position-far-from-county", Severity.WARNING, "position", message, hint="check its coordinates"
                )


def phones_on_many_facilities(dataset: Dataset) -> Iterator[Finding]:
    """Yield a warning for each contact that stands on MANY_FACILITIES or more."""
    for count in sorted(dataset.facility_count_by_contact.values(), reverse=True):
        if count >= MANY_FACILITIES:
            message = f"one number stands on {count} facilities: it is a brand's or a hotline, not a desk's"
            yield Finding(
                "phone-on-many-facilities",
                Severity.WARNING,
                "contacts",
                message,
                hint="ask the source for desk numbers",
            )


DATASET_RULES: tuple[Callable[[Dataset], Iterable[Finding]], ...] = (
    positions_far_from_their_county,
    phones_on_many_facilities,
)


def _reject(rule: str, column: str, message: str) -> Finding:
    return Finding(rule, Severity.REJECT, column, message, hint="mend the record at its source")
