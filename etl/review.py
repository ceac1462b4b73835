"""The review queue: pairs that want a person, and two facilities side by side with all that a decision needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q, QuerySet

from core.anonymise import anonymise_address
from core.crypto import Unreadable
from core.masking import mask
from etl.decisions import columns_of, survivor_of
from etl.errors import DecisionError
from etl.groups import whole_groups
from etl.models import DuplicatePair
from etl.sources import precedence_of
from etl.stages.evidence import FEATURES
from etl.stages.merge import CHOOSABLE, PLACE, POSITION, value_of, what_sources_say
from facilities.models import (
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityType,
    OperationalStatus,
    ServiceCategory,
)
from facilities.protection import HIDDEN
from geography.distance import distance_km
from geography.models import Constituency, County, Ward

Decision = DuplicatePair.Decision
STATES = {
    "open": [Decision.TO_REVIEW],
    "merged": [Decision.MERGED],
    "separate": [Decision.SEPARATE],
    "all": list(Decision),
}
LARGEST_NUMBER = 1 << 63  # of the database
PROTECTED = frozenset(
    {
        "name", "town", "address", "contacts", "registration_number", "ownership", "opening_hours", "website", POSITION,
        PLACE,
    }
)  # fmt: skip
NO_FACILITY = "no facility yet"


@dataclass(frozen=True, slots=True)
class Line:
    """One field of two facilities, as a person may see it; `pinned` names the side that a person set it on ("one", "other")."""

    field: str
    label: str
    one: str
    other: str
    pinned: frozenset[str] = frozenset()
    is_choosable: bool = True

    @property
    def differs(self) -> bool:
        return self.one != self.other

    @property
    def can_choose(self) -> bool:
        """Whether a merge may take either side's word: both have one, and no person set it."""
        return self.is_choosable and self.differs and bool(self.one and self.other) and not self.pinned

    @property
    def cells(self) -> list[dict[str, Any]]:
        texts = {"one": self.one, "other": self.other}
        return [{"side": side, "text": text, "is_pinned": side in self.pinned} for side, text in texts.items()]


@dataclass(frozen=True, slots=True)
class Bar:
    """One feature's part in the score -1..1; `percent` is its size as the length of a bar."""

    title: str
    part: float
    percent: int
    speaks_for: bool

    @property
    def signed(self) -> str:
        return f"{self.part:+.2f}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A pair side by side: the fields, the features, the distance, and what a merge moves."""

    pair: DuplicatePair
    one: Facility | None
    other: Facility | None
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]
    distance_km: float | None

    @property
    def can_be_merged(self) -> bool:
        return bool(self.one and self.other and self.one.pk != self.other.pk)


def find_pairs(
    *, state: str = "open", county: str = "", facility: Facility | None = None, tell_names: bool = False
) -> QuerySet[DuplicatePair]:
    """Return pairs by their state, the highest score first; `county` is a county's name or code.

    Without `tell_names` those are left out that tell what a confidential place is called.
    """
    found = DuplicatePair.objects.filter(decision__in=STATES[state])
    if not tell_names:
        found = found.exclude(tells_a_name())
    if county:
        places = County.objects.filter(Q(county_code=county) | Q(county_name__iexact=county))
        if not places:
            raise DecisionError(f"there is no county '{county[:50]}': give its name or its code, such as 001")
        found = found.filter(Q(first__facility__county__in=places) | Q(second__facility__county__in=places))
    if facility:
        found = found.filter(Q(first__facility=facility) | Q(second__facility=facility))
    return found.select_related(
        "first__facility__county", "second__facility__county", "first__facility__facility_type",
        "second__facility__facility_type", "decided_by",
    ).order_by("-score", "pair_id")  # fmt: skip


def tells_a_name() -> Q:
    """Return the condition of pairs that tell what a confidential place is called: by an open one that is called alike."""
    one, other = "first__facility__is_confidential", "second__facility__is_confidential"
    return Q(**{one: True, other: False}) | Q(**{one: False, other: True})


def find_pair(number: int, *, tell_names: bool = True) -> DuplicatePair:
    """Return the pair of this number; raises DecisionError."""
    found = find_pairs(state="all", tell_names=tell_names)
    pair = found.filter(pk=number).first() if number < LARGEST_NUMBER else None
    if pair is None:
        raise DecisionError(f"there is no pair {number} to show: `duplicates list --state all` shows what there is")
    return pair


def codes_of(pair: DuplicatePair) -> tuple[str, str]:
    """Return the codes of the facilities that a pair's records stand for; raises DecisionError where one stands for none."""
    facilities = pair.first.facility, pair.second.facility
    if not (facilities[0] and facilities[1]):
        raise DecisionError(f"a record of pair {pair.pk} stands for no facility yet: import it first")
    return facilities[0].facility_code, facilities[1].facility_code


def describe(pair: DuplicatePair) -> dict[str, Any]:
    """Return a pair as `duplicates list --json` shows it; a confidential place has no name there."""
    return {
        "id": pair.pk,
        "score": pair.score,
        "state": "open" if pair.decision == Decision.TO_REVIEW else pair.decision,
        "reason": pair.reason,
        "features": pair.features,
        "decided_by": str(pair.decided_by) if pair.decided_by else None,
        "facilities": [
            {
                "code": record.facility.facility_code if record.facility else None,
                "name": record.facility.facility_name if record.facility else NO_FACILITY,
                "county": record.facility.county.county_name if record.facility else None,
                "source": record.source,
                "record": record.pk,
            }
            for record in (pair.first, pair.second)
        ],
    }


def describe_in_full(pair: DuplicatePair) -> dict[str, Any]:
    """Return a pair as `duplicates show --json` shows it: besides, the fields side by side and the distance."""
    comparison = compare(pair)
    fields = [
        {
            "field": line.field,
            "one": line.one,
            "other": line.other,
            "differs": line.differs,
            "pinned": sorted(line.pinned),
        }
        for line in comparison.lines
    ]
    return describe(pair) | {"fields": fields, "distance_km": comparison.distance_km}


def describe_parts(facility: Facility) -> dict[str, Any]:
    """Return what a facility is made of: its source records, the codes merged into it, what sources dispute, its pairs."""
    records = list(facility.source_records.select_related("home").order_by("source", "key", "occurrence"))
    by_trust = sorted(records, key=lambda row: (precedence_of(row.source), row.key, row.occurrence))
    return {
        "code": facility.facility_code,
        "name": facility.facility_name,
        "records": [
            {"record": row.pk, "source": row.source, "came_with": row.home.retired_code if row.home else None}
            for row in records
        ],
        "least_trusted": by_trust[-1].pk if by_trust else None,
        "retired_codes": [retired.retired_code for retired in facility.retired_codes.order_by("pk")],
        "disputed": {
            name: [{"source": source, "says": value, "believed": is_believed} for source, value, is_believed in said]
            for name, said in what_is_disputed(facility).items()
        },
        "pairs": [describe(pair) for pair in find_pairs(state="all", facility=facility)],
    }


def part_to_split(pair: DuplicatePair) -> tuple[str, list[int]]:
    """Return what undoes the merge of a pair's records: a retired code, or a code and a record; raises DecisionError."""
    code, other_code = codes_of(pair)
    if code != other_code:
        raise DecisionError(f"the records of pair {pair.pk} stand for two facilities: there is nothing to split")
    first, second = sorted((pair.first, pair.second), key=lambda row: (precedence_of(row.source), row.key))
    if first.home_id != second.home_id:
        leaving = second.home or first.home
        assert leaving is not None
        return leaving.retired_code, []
    return code, [second.pk]


def compare(pair: DuplicatePair) -> Comparison:
    """Return a pair side by side."""
    ids = [record.facility_id for record in (pair.first, pair.second) if record.facility_id]
    facilities = Facility.objects.with_details().prefetch_related("pins").in_bulk(ids)
    one, other = (facilities.get(record.facility_id or 0) for record in (pair.first, pair.second))
    is_one_facility = one is not None and one == other
    sides = _say_records(pair, one) if is_one_facility and one else (say(one), say(other))
    lines = tuple(
        Line(name, label, mine, theirs, _pinned(name, one, other), name in CHOOSABLE)
        for (name, label, mine), (_, _, theirs) in zip(*sides, strict=True)
    )
    return Comparison(pair, one, other, lines, tuple(_bars(pair)), None if is_one_facility else _distance(one, other))


def without_addresses(comparison: Comparison) -> Comparison:
    """Return the same for a person who edits nothing: that there are addresses, not which."""
    lines = (
        replace(
            line, one=anonymise_address(line.one) or "", other=anonymise_address(line.other) or "", is_choosable=False
        )
        if line.field == "address"
        else line
        for line in comparison.lines
    )
    return replace(comparison, lines=tuple(lines))


def sides_of(comparison: Comparison) -> list[dict[str, Any]]:
    """Return both sides of a comparison: the facility, its source, whether it stays, and how many records move to it."""
    records = comparison.pair.first, comparison.pair.second
    facilities = comparison.one, comparison.other
    stays = survivor_of([f.facility_code for f in facilities if f]) if comparison.can_be_merged else ""
    return [
        {
            "facility": mine,
            "source": record.source,
            "stays": mine is not None and mine.facility_code == stays,
            "other_code": theirs.facility_code if theirs else "",
            "moves": theirs.source_records.count() if theirs else 0,
        }
        for mine, theirs, record in zip(facilities, reversed(facilities), records, strict=True)
    ]


def split_text(pair: DuplicatePair) -> str:
    """Return what a split of a pair's records would take out."""
    code, records = part_to_split(pair)
    if records:
        return f"A split makes record {records[0]} a facility of its own."
    return f"A split brings {code} back as it was."


def what_is_disputed(facility: Facility) -> dict[str, list[tuple[str, str, bool]]]:
    """Return, by field, what each source says where they differ: (source, value as a person may see it, is it believed)."""
    group = whole_groups([facility.pk]).get(facility.pk)
    if group is None:
        return {}
    return {
        name: [
            (one.source, _readable(name, one.value, is_hidden=facility.is_confidential), one.is_believed)
            for one in said
        ]
        for name, said in what_sources_say(group.contributors).items()
    }


def _readable(name: str, value: Any, *, is_hidden: bool) -> str:
    if is_hidden and name in PROTECTED:
        return HIDDEN
    if name == "contacts":
        return f"{value.type} {mask(value.value)}"
    if name == "address":
        return anonymise_address(str(value)) or ""
    if name == PLACE:
        return _place_name(*value)
    if name in _LISTS:
        return _name_in_list(name, str(value))
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value if part)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _name_in_list(name: str, code: str) -> str:
    """Return what a list calls a code ("Health centre" for health-centre)."""
    model, column = _LISTS[name]
    return model._default_manager.filter(code=code).values_list(column, flat=True).first() or code  # noqa: SLF001 - documented API


_LISTS: Mapping[str, tuple[type[FacilityType | OperationalStatus | ServiceCategory], str]] = {
    "facility_type": (FacilityType, "type_name"),
    "status": (OperationalStatus, "status_name"),
    "service": (ServiceCategory, "category_name"),
}


def _place_name(county_code: str, constituency_code: str, ward_code: str) -> str:
    """Return the names of a place's codes, the lowest level first."""
    levels = (
        Ward.objects.filter(ward_code=ward_code).values_list("ward_name", flat=True),
        Constituency.objects.filter(constituency_code=constituency_code).values_list("constituency_name", flat=True),
        County.objects.filter(county_code=county_code).values_list("county_name", flat=True),
    )
    return ", ".join(name for level in levels for name in level)


def say(facility: Facility | None) -> Sequence[tuple[str, str, str]]:
    """Return (field, label, value) of what a person compares; protected values of a confidential place are hidden."""
    if facility is None:
        return [(name, label, "") for name, label in _LABELS.items()]
    is_hidden = facility.is_confidential
    place = ", ".join(str(part) for part in (facility.ward, facility.constituency, facility.county) if part)
    position = getattr(facility, "coordinate", None)
    contacts = ", ".join(sorted(_contact(contact) for contact in facility.contacts.all()))
    services = ", ".join(sorted(str(s.service_category) for s in facility.services.all() if s.is_active))
    values = {
        "name": facility.facility_name,
        "facility_type": str(facility.facility_type or ""),
        "status": str(facility.operational_status or "") if facility.is_active else "out of service",
        PLACE: place,
        "town": facility.town,
        "address": _opened(facility.address),
        "contacts": contacts,
        "services": services,
        "registration_number": facility.registration_number or "",
        "level": facility.level,
        "ownership": facility.ownership,
        "opening_hours": facility.opening_hours,
        "website": facility.website,
        "has_gender_desk": {True: "yes", False: "no", None: ""}[facility.has_gender_desk],
        POSITION: _degrees(position),
        "is_confidential": "yes" if is_hidden else "no",
        "sources": ", ".join(facility.source_records.order_by("source").values_list("source", flat=True).distinct()),
    }
    if is_hidden:
        values |= {name: HIDDEN for name in PROTECTED if values[name]} | {PLACE: str(facility.county)}
    return [(name, label, values[name]) for name, label in _LABELS.items()]


def _degrees(position: FacilityCoordinate | None) -> str:
    degrees = position and position.degrees
    return ", ".join(str(part) for part in degrees) if degrees else ""


def _say_records(pair: DuplicatePair, facility: Facility) -> tuple[Sequence[tuple[str, str, str]], ...]:
    """Return the same of two source records that stand for one facility: what each of them says."""
    members = {member.row.pk: member for member in whole_groups([facility.pk])[facility.pk].members}
    sides = []
    for row in (pair.first, pair.second):
        record = members[row.pk].record
        said = {name: value_of(record, name) for name in CHOOSABLE}
        services = ", ".join(sorted(_name_in_list("service", code) for code in record.services))
        said |= {"services": services, "sources": row.source}
        values = {
            name: _readable(name, value, is_hidden=facility.is_confidential) if value not in (None, "") else ""
            for name, value in said.items()
        }
        contacts = ", ".join(
            sorted(_readable("contacts", c, is_hidden=facility.is_confidential) for c in record.contacts)
        )
        values |= {"contacts": contacts, "is_confidential": "yes" if record.is_confidential else "no"}
        sides.append([(name, label, values[name]) for name, label in _LABELS.items()])
    return tuple(sides)


_LABELS = {
    "name": "Name", "facility_type": "Type", "status": "Status", PLACE: "Place", "town": "Town", "address": "Address",
    "contacts": "Contacts", "services": "Services", "registration_number": "Registration number", "level": "Level",
    "ownership": "Ownership", "opening_hours": "Opening hours", "website": "Website", "has_gender_desk": "Gender desk",
    POSITION: "Position", "is_confidential": "Confidential", "sources": "Sources",
}  # fmt: skip


def _contact(contact: FacilityContact) -> str:
    return f"{contact.contact_type} {mask(_opened(contact.contact_value))}"


def _opened(value: str) -> str:
    return "cannot be read" if isinstance(value, Unreadable) else str(value)


def _pinned(name: str, one: Facility | None, other: Facility | None) -> frozenset[str]:
    columns = columns_of(name)
    sides = {"one": one, "other": other}
    return frozenset(
        side for side, facility in sides.items() if facility and columns & {pin.target for pin in facility.pins.all()}
    )


def _bars(pair: DuplicatePair) -> Iterator[Bar]:
    for title in FEATURES:
        part = pair.features.get(title, 0.0)
        yield Bar(title, part, min(100, round(100 * abs(part))), speaks_for=part >= 0)


def _distance(one: Facility | None, other: Facility | None) -> float | None:
    """Return the kilometres between two open positions, None where one is unknown or hidden."""
    rows = [getattr(facility, "coordinate", None) for facility in (one, other) if facility]
    points = [(float(row.latitude), float(row.longitude)) for row in rows if row and row.latitude is not None]
    return round(distance_km(points[0], points[1]), 2) if len(points) == 2 else None
