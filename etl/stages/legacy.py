"""What a legacy database holds, and how its loosely typed values are read: the document's tables, keys, flags and times."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from etl.stages import clean

_LONGEST_REFERENCE = 100  # characters
LARGEST_KEY = 2**31 - 1  # of the document's SERIAL; a larger one would leave the sequence nowhere to go
OLDEST, NEWEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LegacyTable:
    """A table of the document: its key, the columns that are read, and what Django models of it were called."""

    name: str
    key: str
    columns: tuple[str, ...]
    models: tuple[str, ...]


_NAMED = ("name", "code")
_FACILITY = (
    "facility_code", "registration_number", "facility_name", "facility_type", "operational_status_id", "ward_id",
    "constituency_id", "county_id", "created_by", "updated_by", "created_at", "updated_at", "is_active", "address", "town",
    "level", "ownership", "opening_hours", "website", "has_gender_desk", "is_confidential",
)  # fmt: skip
# in key order: what a row points to comes before it
TABLES: dict[str, LegacyTable] = {
    table.name: table
    for table in (
        LegacyTable("counties", "county_id", ("county_name", "county_code"), ("county",)),
        LegacyTable(
            "constituencies",
            "constituency_id",
            ("constituency_name", "constituency_code", "county_id"),
            ("constituency",),
        ),
        LegacyTable("wards", "ward_id", ("ward_name", "ward_code", "constituency_id"), ("ward",)),
        LegacyTable("operational_statuses", "operational_status_id", _NAMED, ("operationalstatus",)),
        LegacyTable("service_categories", "service_category_id", _NAMED, ("servicecategory",)),
        LegacyTable("contact_types", "contact_type_id", _NAMED, ("contacttype",)),
        LegacyTable(
            "users", "user_id", ("username", "first_name", "last_name", "email", "date_joined"), ("user", "customuser")
        ),
        LegacyTable("facilities", "facility_id", _FACILITY, ("facility",)),
        LegacyTable(
            "facility_services",
            "service_id",
            ("facility_id", "service_category_id", "is_active"),
            ("facilityservice",),
        ),
        LegacyTable(
            "facility_contacts",
            "contact_id",
            ("facility_id", "contact_type_id", "contact_value", "is_primary"),
            ("facilitycontact",),
        ),
        LegacyTable(
            "facility_coordinates",
            "coordinate_id",
            ("facility_id", "latitude", "longitude", "accuracy_level"),
            ("facilitycoordinate",),
        ),
        LegacyTable(
            "audit_trail",
            "audit_id",
            (
                "table_name", "record_id", "operation", "old_values", "new_values", "changed_by", "changed_at", "session_id",
            ),
            ("audittrail", "auditentry"),
        ),
    )
}  # fmt: skip
CHILDREN = ("facility_services", "facility_contacts", "facility_coordinates")
# what the name of a lookup's row may be called; the document does not show these tables
_NAMES = ("status_name", "category_name", "type_name", "name")
_CODES = ("status_code", "category_code", "type_code", "code")
_KEYS = ("status_id", "category_id", "type_id")


def table_of(label: str) -> str:
    """Return the document's table that a table or a Django model ("app.Model", app_model) is; "" where none."""
    wanted = label.strip().casefold()
    if wanted in TABLES:
        return wanted
    _, dot, model = wanted.rpartition(".")
    parts = wanted.split("_")
    names = {model} if dot else {"".join(parts[start:]) for start in range(1, len(parts))}
    if dot and model in TABLES:
        return model
    for table in TABLES.values():
        known = {*table.models, *(f"{name}s" for name in table.models), table.name.replace("_", "")}
        if names & known:
            return table.name
    return ""


def columns_of(table: LegacyTable, found: list[str], *, key: str = "") -> dict[str, str]:
    """Return which of the found columns is which of the table's, its key first; what is not told is not read.

    A Django export says `ward` for `ward_id`. `key` is the column that the file itself declares as the primary key: a copy
    of a table (.recover, CREATE TABLE AS, a spreadsheet) declares none.
    """
    by_name = {name.casefold(): name for name in found}
    keys = (table.key, key.casefold(), "id", "pk", *(_KEYS if table.columns == _NAMED else ()))
    own_key = next((by_name[name] for name in keys if name in by_name), "")
    taken = {own_key}
    read = {table.key: own_key} if own_key else {}
    for column in table.columns:
        wanted: tuple[str, ...] = (column, column.removesuffix("_id"), f"{column}_id")
        if table.columns == _NAMED:
            wanted = {"name": _NAMES, "code": _CODES}[column]
        told = next((by_name[name] for name in wanted if name in by_name and by_name[name] not in taken), "")
        if told:
            read[column] = told
            taken.add(told)
    if table.columns == _NAMED and "name" not in read and (other := [name for name in found if name not in taken]):
        read["name"] = other[0]
    return read


# values


def to_key(value: object) -> int | None:
    """Return the key that a value states, 1 to LARGEST_KEY; None where it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,10}(?:\.0+)?\s*", value, re.ASCII):
        value = int(value.split(".")[0])
    is_key = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_KEY
    return int(value) if is_key and isinstance(value, int) else None


def to_reference(value: object) -> int | str | None:
    """Return what a key, or a reference to one, states: the key, else its words; None for nothing.

    So what points to a row whose key we cannot keep (0, -5, a UUID) finds it, too.
    """
    key = to_key(value)
    return key if key is not None else to_words(value)[:_LONGEST_REFERENCE] or None


def is_blank(value: object) -> bool:
    """Return whether a value says nothing: NULL or blank text."""
    return value is None or (isinstance(value, str | bytes) and not value.strip())


def to_words(value: object) -> str:
    """Return what a value says, on one line; "" for nothing. Bytes are read as UTF-8, what is none of it is left out."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "ignore")
    return clean.to_line(clean.to_text(value))


def to_flag(value: object) -> bool | None:
    """Return what a yes/no cell says ("t", "yes", 1, "on", "active" ...); None where it says neither."""
    if isinstance(value, bool):
        return value
    words = to_words(value)
    told = {"on": True, "active": True, "off": False, "inactive": False, "1.0": True, "0.0": False}
    return told.get(words.casefold(), clean.to_flag(words))


_EPOCH = re.compile(r"-?[0-9]{9,16}(?:\.[0-9]+)?")
_DAY_FIRST = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})(.*)")


def to_time(value: object) -> datetime | None:
    """Return the moment that a value states; None where it states none between 1970 and 2100.

    Naive times are UTC, as SQLite's CURRENT_TIMESTAMP is. Numbers are seconds, milliseconds or microseconds since 1970.
    A day may come first (31/12/2024), as people in Kenya write it.
    """
    words = to_words(value)
    if _EPOCH.fullmatch(words):
        moment = _since_epoch(float(words))
    else:
        if found := _DAY_FIRST.fullmatch(words):
            day, month, year, rest = found.groups()
            words = f"{year}-{int(month):02d}-{int(day):02d}{rest}"
        try:
            moment = datetime.fromisoformat(words.removesuffix(" UTC").replace("/", "-"))
        except ValueError:
            return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if OLDEST <= moment <= NEWEST else None


def _since_epoch(number: float) -> datetime:
    for unit in (1, 1_000, 1_000_000):
        if abs(number) / unit < NEWEST.timestamp():
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=number / unit)
    return datetime.max.replace(tzinfo=UTC)


OPERATIONS = {
    **dict.fromkeys(("insert", "create", "created", "add", "added", "i"), "INSERT"),
    **dict.fromkeys(("update", "updated", "change", "changed", "edit", "u"), "UPDATE"),
    **dict.fromkeys(("delete", "deleted", "remove", "removed", "d"), "DELETE"),
}
ACCURACY = {
    **dict.fromkeys(("exact", "gps", "high", "precise", "rooftop", "surveyed"), "exact"),
    **dict.fromkeys(("approximate", "approx", "estimated", "medium", "low"), "approximate"),
    **dict.fromkeys(("place centre", "place center", "centroid", "town", "ward"), "place-centre"),
}


def to_accuracy(value: object, *, otherwise: str) -> str:
    """Return the accuracy that a legacy text names; else what the decimals of the position tell."""
    return ACCURACY.get(clean.to_key(to_words(value)), otherwise)


_NOT_IN_A_CODE = re.compile(r"[^A-Z0-9]+")
LONGEST_CODE = 50


def to_code(value: object) -> str:
    """Return a facility code in capitals, digits and single hyphens; "" where nothing is left, or too much."""
    code = _NOT_IN_A_CODE.sub("-", to_words(value).upper()).strip("-")
    return code if len(code) <= LONGEST_CODE else ""


def to_lookup_code(name: str, taken: frozenset[str] | set[str]) -> str:
    """Return the code of a new row of a lookup, which none of the taken ones is; "" where its name has no letter or digit."""
    words = re.sub(r"[^a-z0-9]+", "-", clean.to_key(name)).strip("-")[:45]
    if not words:
        return ""
    return next(code for n in count(1) if (code := words if n == 1 else f"{words}-{n}") not in taken)
