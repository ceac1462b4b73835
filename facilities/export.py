"""What an export says: of each open place, by audience; of confidential places how many there are in a county, no more."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from django.db import connection, transaction
from django.db.models import Count

from core.anonymise import anonymise_address, anonymise_email, anonymise_phone
from core.crypto import blind_index
from core.roles import FieldClass, class_of
from core.short_codes import is_short_code
from facilities.export_formats import Writer, write_csv, write_geojson, write_json
from facilities.models import Facility
from facilities.queries import FacilityQuerySet
from geography.models import County

CHUNK = 500  # facilities held at a time
FEWEST_COUNTED = 5  # a smaller number of places may lead to one of them
TOO_FEW = f"fewer than {FEWEST_COUNTED}"
PSEUDONYM_DIGITS = 16
Row = dict[str, Any]


class Audience(StrEnum):
    """Whom an export is for."""

    PUBLIC = "public"
    INTERNAL = "internal"


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"
    GEOJSON = "geojson"


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported, for whom and how; without a county the whole registry."""

    format: Format
    audience: Audience
    county: County | None = None

    def __str__(self) -> str:
        return f"facilities {self.format} {self.audience}{f' county {self.county}' if self.county else ''}"

    @property
    def facilities(self) -> FacilityQuerySet:
        """The open places that it names; the public is told of those in service only."""
        return self._places(Facility.objects.filter(is_confidential=False))

    def count_confidential(self) -> list[dict[str, str | int]]:
        """Return how many confidential places lie in each county that has any, a small number as "fewer than 5"."""
        hidden = self._places(Facility.objects.filter(is_confidential=True)).order_by("county__county_name")
        counts = hidden.values_list("county__county_name").annotate(places=Count("pk"))
        return [
            {"county": county, "confidential_places": places if places >= FEWEST_COUNTED else TOO_FEW}
            for county, places in counts
        ]

    @property
    def out_of_service(self) -> FacilityQuerySet:
        """The open places that are left out since they are not in service."""
        gone = self._in_county(Facility.objects.filter(is_confidential=False, is_active=False))
        return gone if self.audience is Audience.PUBLIC else gone.none()

    def _places(self, places: FacilityQuerySet) -> FacilityQuerySet:
        return self._in_county(places.active() if self.audience is Audience.PUBLIC else places)

    def _in_county(self, places: FacilityQuerySet) -> FacilityQuerySet:
        return places.filter(county=self.county) if self.county else places


@dataclass(slots=True)
class Tally:
    """What became of an export so far: facilities written, and values left out because no key opens them."""

    facilities: int = 0
    unreadable: int = 0


def write_export(export: Export, out: Writer) -> Tally:
    """Return the tally of an export after writing it, chunk by chunk and all as the registry is at one time."""
    tally = Tally()
    with _one_snapshot():
        rows = _rows(export, tally)
        hidden = export.count_confidential()
        if export.format is Format.CSV:
            write_csv(rows, out, columns=_columns(export.audience))
        elif export.format is Format.GEOJSON:
            write_geojson(rows, hidden, out)
        elif is_canonical(export):
            # no counts: what etl/sources/canonical.py makes of it elsewhere is exported as the very same bytes
            write_json(map(_to_canonical, rows), out, audience=export.audience)
        else:
            write_json(map(_to_nested, rows), out, audience=export.audience, confidential_places=hidden)
    return tally


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """Open a transaction that sees no later change: a place that is hidden meanwhile is not half written."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _rows(export: Export, tally: Tally) -> Iterator[Row]:
    """Yield what an export says of each facility, in the order of their codes: the same on every machine."""
    columns = _columns(export.audience)
    is_by_code = is_canonical(export)
    for facility in export.facilities.with_details().order_by("facility_code").iterator(chunk_size=CHUNK):
        tally.facilities += 1
        row = {name: read(facility, tally) for name, read in _READERS.items() if name in columns}
        if is_by_code:
            row |= _place_codes(facility)
        yield row if export.audience is Audience.INTERNAL else _masked(row)


def is_canonical(export: Export) -> bool:
    """Return whether an export is one that another registry can read: it names places by their codes."""
    return export.audience is Audience.INTERNAL and export.format is Format.JSON


# one facility, column by column


def _readable(value: Any, tally: Tally) -> str:
    """Return a value that was sealed; "" where no key opens it, which is counted."""
    if getattr(value, "is_readable", True):
        return str(value)
    tally.unreadable += 1
    return ""


def _position(facility: Facility, tally: Tally) -> Row | None:
    found = getattr(facility, "coordinate", None)
    if found is None:
        return None
    if found.degrees is None:
        tally.unreadable += 1
        return None
    latitude, longitude = found.degrees
    return {"latitude": latitude, "longitude": longitude, "accuracy": found.accuracy_level}


def _contacts(facility: Facility, tally: Tally) -> list[Row]:
    """Return the contacts that can be read, of each type the primary one first."""
    contacts = [
        {"type": contact.contact_type.code, "value": value, "is_primary": contact.is_primary}
        for contact in facility.contacts.all()
        if (value := _readable(contact.contact_value, tally))
    ]
    return sorted(contacts, key=lambda contact: (contact["type"], not contact["is_primary"], contact["value"]))


def _place_codes(facility: Facility) -> Row:
    return {
        "county": facility.county.county_code,
        "constituency": facility.constituency.constituency_code if facility.constituency else "",
        "ward": facility.ward.ward_code if facility.ward else "",
    }


_READERS: Mapping[str, Callable[[Facility, Tally], Any]] = MappingProxyType(
    {
        "facility_code": lambda f, _: f.facility_code,
        "facility_name": lambda f, _: f.facility_name,
        "facility_type": lambda f, _: f.facility_type_id or "",
        "status": lambda f, _: f.operational_status.code if f.operational_status else "",
        "county": lambda f, _: str(f.county),
        "constituency": lambda f, _: str(f.constituency or ""),
        "ward": lambda f, _: str(f.ward or ""),
        "town": lambda f, _: f.town,
        "address": lambda f, tally: _readable(f.address, tally),
        "position": _position,
        "registration_number": lambda f, _: f.registration_number or "",
        "level": lambda f, _: f.level,
        "ownership": lambda f, _: f.ownership,
        "opening_hours": lambda f, _: f.opening_hours,
        "website": lambda f, _: f.website,
        "has_gender_desk": lambda f, _: f.has_gender_desk,
        "is_active": lambda f, _: f.is_active,
        "services": lambda f, _: sorted(s.service_category.code for s in f.services.all() if s.is_active),
        "contacts": _contacts,
    }
)
# where what a column says is stored, unless in the column of "facilities" that is called alike
_STORED_IN = {
    "status": "facilities.operational_status_id",
    "county": "facilities.county_id",
    "constituency": "facilities.constituency_id",
    "ward": "facilities.ward_id",
    "position": "facility_coordinates.latitude",
    "services": "facility_services.service_category_id",
    "contacts": "facility_contacts.contact_value",
}


def field_class(column: str) -> FieldClass:
    """Return the protection class of what a column says of an open place."""
    return class_of(_STORED_IN.get(column, f"facilities.{column}"))


def _columns(audience: Audience) -> list[str]:
    """Return the columns that an audience gets: the public none that is of use inside the centre only."""
    if audience is Audience.INTERNAL:
        return list(_READERS)
    return [name for name in _READERS if field_class(name) in {FieldClass.PUBLIC, FieldClass.PERSONAL}]


# for the public


def _masked(row: Row) -> Row:
    """Return a row with what reaches a person masked: the address, and each contact that is no help line."""
    return row | {
        "address": anonymise_address(row["address"]),
        "contacts": [_masked_contact(c) for c in row["contacts"]],
    }


def _masked_contact(contact: Row) -> Row:
    """Return a contact masked, with a pseudonym by which two rows that share it are known; a help line as it is."""
    kind, value = contact["type"], contact["value"]
    if kind == "hotline" or is_short_code(value):
        return {"type": kind, "value": value}
    mask = {"email": anonymise_email, "phone": anonymise_phone}.get(kind, anonymise_address)
    return {"type": kind, "value": mask(value), "pseudonym": pseudonym_of(value)}


def pseudonym_of(value: str) -> str:
    """Return 16 hex digits that stand for a contact in every public export made with this INDEX_KEY, and nowhere else."""
    return blind_index(value, purpose="export pseudonym")[:PSEUDONYM_DIGITS]


# shapes


def _to_nested(row: Row) -> Row:
    """Return a row with all that says where under "location"."""
    where = ("county", "constituency", "ward", "town", "address", "position")
    return {name: value for name, value in row.items() if name not in where} | {
        "location": {name: row[name] for name in where}
    }


def _to_canonical(row: Row) -> Row:
    """Return a row in the canonical shape (etl/schemas/canonical_export.json), degrees as text."""
    position = row["position"]
    if position:
        degrees = {name: format(position[name].normalize(), "f") for name in ("latitude", "longitude")}
        row = row | {"position": position | degrees}
    return _to_nested(row) | {"is_confidential": False}
