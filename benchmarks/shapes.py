"""The seven raw shapes: how each lays out what it says of a place, and the document that it all stands in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmarks.facts import Facts
from benchmarks.streaming import Members

Record = dict[str, Any]
CATEGORIES = ("Medical", "Legal", "Psychosocial", "Shelter")


@dataclass(frozen=True, slots=True)
class Shape:
    """One source's shape: its `share` of a delivery, the lists whose places it `repeats`, and its document."""

    name: str
    share: float
    repeats: tuple[str, ...]
    document: Callable[[Iterator[Facts]], Any]


def regional(listed: Iterator[Facts]) -> Any:
    """Return regional.json: region > county > facilities."""
    return {
        "metadata": {"source": "invented"},
        "regions": (
            {
                "region": region,
                "counties": (
                    {"county": county, "facilities": map(_regional, facilities)}
                    for county, facilities in groupby(inside, key=lambda facts: facts.ward.county)
                ),
            }
            for region, inside in groupby(listed, key=lambda facts: facts.ward.region)
        ),
    }


def _regional(facts: Facts) -> Record:
    record = {
        "name": facts.name,
        "mfl_code": facts.identifier,
        "registration_number": facts.registration_number,
        "level": facts.level,
        "type": facts.type,
        "ownership": facts.ownership,
        "status": "Operational",
        "location": _place(facts) | _point(facts, "lat", "long"),
        "contacts": {"phone": facts.phones, "email": facts.email, "website": facts.website},
        "services": list(facts.services),
    }
    return record | _own_county(facts)


def other_services(listed: Iterator[Facts]) -> Any:
    """Return other_services.json: one flat list, strings only."""
    return map(_other_service, listed)


def _other_service(facts: Facts) -> Record:
    return {
        "facility_name": facts.name,
        "service_type": "; ".join(facts.services),
        "contact": ", ".join(filter(None, (facts.phones, facts.email))),
        "county": facts.county,
        "location": f"{facts.ward_name or facts.ward.constituency}, plot {facts.number % 997}",
        "latitude": facts.latitude,
        "longitude": facts.longitude or "-",
    }


def kps_stations(listed: Iterator[Facts]) -> Any:
    """Return kps_stations.json: region > numbered county > sub-county > stations, headings among them."""

    def counties(inside: Iterator[Facts]) -> Iterator[tuple[str, Members]]:
        for number, (county, stations) in enumerate(groupby(inside, key=lambda facts: facts.ward.county), start=1):
            yield f"{number}. {county.upper()}", Members(sub_counties(stations))

    def sub_counties(inside: Iterator[Facts]) -> Iterator[tuple[str, Iterator[Record]]]:
        for constituency, stations in groupby(inside, key=lambda facts: facts.ward.constituency):
            yield constituency.upper(), map(_station, stations)

    regions = groupby(listed, key=lambda facts: facts.ward.region)
    return {"police_stations": Members((region, Members(counties(inside))) for region, inside in regions)}


def _station(facts: Facts) -> Record:
    if facts.is_heading:
        return {
            "station_name": "STATION NAME",
            "location": "LOCATION",
            "contacts": ["CONTACTS"],
            "gender_desk": "GENDER DESK",
        }
    record = {
        "station_name": facts.name.upper().replace(" POLICE STATION", ""),
        "location": {"sub_county": facts.ward.constituency.upper(), "ward": facts.ward_name}
        | _point(facts, "lat", "long"),
        "contacts": [facts.phones] if facts.number % 2 else {"ocs": facts.phones},
        "gender_desk": facts.gender_desk,
    }
    return record | _own_county(facts)


def category_a(listed: Iterator[Facts]) -> Any:
    """Return category_A.json: a list under each category; services and location are strings."""
    by_category = groupby(listed, key=lambda facts: CATEGORIES[int(facts.part * len(CATEGORIES))])
    return {
        "category": "A",
        "services_by_category": Members((category, map(_category_a, inside)) for category, inside in by_category),
    }


def _category_a(facts: Facts) -> Record:
    return {
        "organization_name": facts.name,
        "services": ", ".join(facts.services),
        "location": f"{facts.ward_name or facts.ward.name}, {facts.county}",
        "phone": facts.phones,
        "hours": facts.hours,
        "email": facts.email,
    }


def category_b(listed: Iterator[Facts]) -> Any:
    """Return category_B.json: one list; services are a list, location an object."""
    return {"category": "B", "organizations": map(_category_b, listed)}


def _category_b(facts: Facts) -> Record:
    return {
        "organization_name": facts.name,
        "services": list(facts.services),
        "location": {"county": facts.county} | _place(facts) | _point(facts, "lat", "long"),
        "contact": {"tel": facts.phones, "email": facts.email or "None", "website": facts.website or "None"},
    }


def equity_afya(listed: Iterator[Facts]) -> Any:
    """Return equity_afya.json: clinics of a few brands; coordinates are [longitude, latitude]."""
    return {"network": "invented", "hq": {"phone": "0763 000 000"}, "facilities": map(_clinic, listed)}


def _clinic(facts: Facts) -> Record:
    return {
        "facility_name": facts.name,
        "location": f"{facts.ward_name or facts.ward.name}, {facts.county}",
        "coordinates": [float(facts.longitude), float(facts.latitude)] if facts.latitude else None,
        "services": "|".join(facts.services),
        "phone": facts.phones,
    }


def gbv_support_organizations(listed: Iterator[Facts]) -> Any:
    """Return gbv_support_organizations.json: shelters and other organisations, each contact an object."""
    return {"organizations": map(_organization, listed)}


def _organization(facts: Facts) -> Record:
    return {
        "name": facts.name,
        "type": facts.type,
        "location": {"county": facts.county} | _place(facts) | _point(facts, "lat", "long"),
        "services": list(facts.services),
        "confidential": facts.kind in ("Shelter", "Rescue Centre"),
        "contacts": [{"type": "phone", "value": facts.phones}, {"type": "email", "value": facts.email}],
    }


def _place(facts: Facts) -> Record:
    named = {"sub_county": facts.sub_county, "constituency": facts.constituency, "ward": facts.ward_name}
    return {name: text for name, text in named.items() if text} | {"town": facts.ward.name}


def _point(facts: Facts, latitude: str, longitude: str) -> Record:
    return {"coordinates": {latitude: facts.latitude, longitude: facts.longitude}} if facts.latitude else {}


def _own_county(facts: Facts) -> Record:
    """Return the county beside a record whose list stands under another one."""
    return {"county": facts.county} if facts.is_elsewhere else {}


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("regional", 0.60, ("other_services", "category_A", "category_B"), regional),
        Shape("other_services", 0.10, ("regional", "equity_afya", "gbv_support_organizations"), other_services),
        Shape("kps_stations", 0.13, (), kps_stations),
        Shape("category_A", 0.05, ("regional", "category_B"), category_a),
        Shape("category_B", 0.07, ("regional", "category_A", "kps_stations"), category_b),
        Shape("equity_afya", 0.02, (), equity_afya),
        Shape("gbv_support_organizations", 0.03, ("other_services",), gbv_support_organizations),
    )
}  # fmt: skip
