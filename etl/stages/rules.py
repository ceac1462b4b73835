"""Business rules: RULES look at one canonical record, DATASET_RULES at all facilities together.

A rule holds for any record, whoever made it: a source, a merge or a person.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from etl.stages import clean
from etl.stages.records import Anomaly, FacilityRecord, Finding, Reference, Severity
from geography.distance import distance_km
from geography.gazetteer import Level

FAR_FROM_COUNTY = "position-far-from-county"
FAR_FROM_COUNTY_KM = 150.0  # Turkana, the largest county, is about 300 km long
FEWEST_POSITIONS = 5  # a median of fewer says nothing
MANY_FACILITIES = 10
MANY_ON_ONE_POINT = 5  # fewer may share a compound
MOST_NAMED = 20  # facilities of one anomaly
FEWEST_ALIKE = 10  # facilities of a source that state services: of fewer, a likeness says nothing
ALIKE_SHARE = 0.9
COUNT_MOVE = 0.2  # of the earlier count
FEWEST_COUNTED = 20

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
    """What the rules about the whole registry look at, all of it or a part.

    `points_by_county`: county code -> (facility code, latitude, longitude), open positions only.
    `facility_count_by_contact`: contact (any stable stand-in for it) -> on how many open facilities it stands.
    `codes_by_contact`: the same contacts -> the codes of open facilities that it stands on, the first of them.
    `profiles_by_source`: source -> the services that a facility states, as sorted codes -> how many of its facilities do.
    `counts`: what is counted ("source regional") -> how many there were at the last good run, and how many there are.
    """

    points_by_county: Mapping[str, Sequence[tuple[str, float, float]]] = field(default_factory=dict)
    facility_count_by_contact: Mapping[str, int] = field(default_factory=dict)
    codes_by_contact: Mapping[str, Sequence[str]] = field(default_factory=dict)
    profiles_by_source: Mapping[str, Mapping[tuple[str, ...], int]] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def positions_far_from_their_county(dataset: Dataset) -> Iterator[Anomaly]:
    """Yield an anomaly for each position more than FAR_FROM_COUNTY_KM from the median position of its county."""
    for points in dataset.points_by_county.values():
        if len(points) < FEWEST_POSITIONS:
            continue
        centre = median(point[1] for point in points), median(point[2] for point in points)
        for code, latitude, longitude in points:
            away_km = distance_km(centre, (latitude, longitude))
            if away_km > FAR_FROM_COUNTY_KM:
                message = f"{code} lies {away_km:.0f} km from the middle of its county's facilities"
                yield Anomaly(FAR_FROM_COUNTY, "position", message, "check its coordinates", (code,))


def facilities_on_one_point(dataset: Dataset) -> Iterator[Anomaly]:
    """Yield an anomaly for each point on which MANY_ON_ONE_POINT facilities or more stand."""
    for points in dataset.points_by_county.values():
        codes: dict[tuple[float, float], list[str]] = {}
        for code, latitude, longitude in points:
            codes.setdefault((latitude, longitude), []).append(code)
        for here in codes.values():
            if len(here) >= MANY_ON_ONE_POINT:
                message = f"{len(here)} facilities stand on one point: it is a town's middle, not their doors"
                hint = "ask the source for the position of each"
                yield Anomaly("facilities-on-one-point", "position", message, hint, tuple(here[:MOST_NAMED]))


def phones_on_many_facilities(dataset: Dataset) -> Iterator[Anomaly]:
    """Yield an anomaly for each contact that stands on MANY_FACILITIES or more."""
    counts = dataset.facility_count_by_contact
    for contact in sorted(counts, key=lambda contact: (-counts[contact], contact)):
        if counts[contact] >= MANY_FACILITIES:
            message = f"one number stands on {counts[contact]} facilities: it is a brand's or a hotline, not a desk's"
            codes = tuple(dataset.codes_by_contact.get(contact, ())[:MOST_NAMED])
            yield Anomaly("phone-on-many-facilities", "contacts", message, "ask the source for desk numbers", codes)


def service_profiles_all_alike(dataset: Dataset) -> Iterator[Anomaly]:
    """Yield an anomaly for each source nearly all of whose facilities state the very same several services."""
    for source, profiles in dataset.profiles_by_source.items():
        several = {services: count for services, count in profiles.items() if services}
        total = sum(several.values())
        if total < FEWEST_ALIKE:
            continue
        services, count = max(several.items(), key=lambda item: (item[1], item[0]))
        if len(services) > 1 and count >= ALIKE_SHARE * total:
            message = f"{source}: {count} of {total} facilities state the same {len(services)} services: {', '.join(services)}"
            hint = "ask whether each offers them, or whether the list's maker filled them in"
            yield Anomaly("service-profiles-all-alike", "services", message, hint)


def counts_off(dataset: Dataset) -> Iterator[Anomaly]:
    """Yield an anomaly for each count that moved by more than COUNT_MOVE since the last good run."""
    for what, (before, now) in dataset.counts.items():
        if before >= FEWEST_COUNTED and abs(now - before) > COUNT_MOVE * before:
            message = f"{what}: {now}, {before} before ({100 * (now - before) / before:+.0f} %)"
            yield Anomaly("count-off", "record", message, "ask the source whether this is right")


DATASET_RULES: tuple[Callable[[Dataset], Iterable[Anomaly]], ...] = (
    positions_far_from_their_county,
    facilities_on_one_point,
    phones_on_many_facilities,
    service_profiles_all_alike,
    counts_off,
)


def _reject(rule: str, column: str, message: str) -> Finding:
    return Finding(rule, Severity.REJECT, column, message, hint="mend the record at its source")
