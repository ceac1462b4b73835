"""The canonical JSON of a facility record: what the ledger keeps, the canonical schema checks and exports read back."""

from decimal import Decimal
from typing import Any

from etl.stages.records import Accuracy, Contact, FacilityRecord, Position


def to_canonical(record: FacilityRecord) -> dict[str, Any]:
    """Return the record as a JSON object of the canonical schema (etl/schemas/canonical_facility.json)."""
    position = record.position
    return {
        "facility_name": record.name,
        "facility_code": record.facility_code,
        "source": record.source,
        "key": record.key,
        "identifier": record.identifier,
        "registration_number": record.registration_number,
        "facility_type": record.facility_type,
        "status": record.status,
        "location": {
            "county": record.county_code,
            "constituency": record.constituency_code,
            "ward": record.ward_code,
            "town": record.town,
            "address": record.address,
            "position": position
            and {
                "latitude": str(position.latitude),
                "longitude": str(position.longitude),
                "accuracy": position.accuracy.value,
            },
        },
        "level": record.level,
        "ownership": record.ownership,
        "opening_hours": record.opening_hours,
        "website": record.website,
        "has_gender_desk": record.has_gender_desk,
        "is_confidential": record.is_confidential,
        "contacts": [{"type": contact.type, "value": contact.value} for contact in record.contacts],
        "services": list(record.services),
        "is_active": record.is_active,
        "unmarked": list(record.unmarked),
    }


def from_canonical(facility: dict[str, Any]) -> FacilityRecord:
    """Return the record that to_canonical() wrote."""
    location = facility["location"]
    position = location["position"]
    return FacilityRecord(
        source=facility["source"],
        key=facility["key"],
        facility_code=facility["facility_code"],
        name=facility["facility_name"],
        facility_type=facility["facility_type"],
        county_code=location["county"],
        constituency_code=location["constituency"],
        ward_code=location["ward"],
        identifier=facility["identifier"],
        registration_number=facility["registration_number"],
        town=location["town"],
        address=location["address"],
        level=facility["level"],
        ownership=facility["ownership"],
        opening_hours=facility["opening_hours"],
        website=facility["website"],
        status=facility["status"],
        has_gender_desk=facility["has_gender_desk"],
        is_confidential=facility["is_confidential"],
        position=position
        and Position(Decimal(position["latitude"]), Decimal(position["longitude"]), Accuracy(position["accuracy"])),
        contacts=tuple(Contact(contact["type"], contact["value"]) for contact in facility["contacts"]),
        services=tuple(facility["services"]),
        is_active=facility.get("is_active", True),  # what was stored before exports were read had neither of these
        unmarked=tuple(facility.get("unmarked", ())),
    )


_MAY_BE_LEFT_OUT = dict.fromkeys(
    ("registration_number", "facility_type", "status", "level", "ownership", "opening_hours", "website"), ""
) | {"has_gender_desk": None, "is_confidential": False, "contacts": (), "services": (), "is_active": True}
_OF_A_LOCATION = dict.fromkeys(("constituency", "ward", "town", "address"), "") | {"position": None}


def from_export(facility: dict[str, Any], *, source: str, key: str) -> FacilityRecord:
    """Return the record of a facility in an internal export (etl/schemas/canonical_export.json), just as it says.

    Its code is its own and no national one. Of each type of contact the primary one comes first.
    """
    said: dict[str, Any] = _MAY_BE_LEFT_OUT | facility
    contacts = sorted(said["contacts"], key=lambda contact: not contact.get("is_primary", True))
    marked = {contact["type"] for contact in contacts if contact.get("is_primary", True)}
    values = dict.fromkeys((contact["type"], contact["value"]) for contact in contacts)
    return from_canonical(
        said
        | {
            "source": source,
            "key": key,
            "identifier": "",
            "location": _OF_A_LOCATION | said["location"],
            "contacts": [{"type": kind, "value": value} for kind, value in values],
            "services": dict.fromkeys(said["services"]),
            "unmarked": sorted({kind for kind, _ in values} - marked),
        }
    )


def to_export(record: FacilityRecord) -> dict[str, Any]:
    """Return the record as an internal export says it (etl/schemas/canonical_export.json): from_export() reads it back."""
    said = to_canonical(record)
    left_out = ("source", "key", "identifier", "unmarked")
    marked: set[str] = set(record.unmarked)
    contacts = []
    for contact in record.contacts:
        contacts.append({"type": contact.type, "value": contact.value, "is_primary": contact.type not in marked})
        marked.add(contact.type)
    return {name: value for name, value in said.items() if name not in left_out} | {"contacts": contacts}
