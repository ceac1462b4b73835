"""What the tests with a database write and read: folders of source files, imports, the registry as plain values."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from etl.assessment import hide_headings
from etl.models import SourceRecord
from etl.pipeline import ImportOptions, import_facilities
from facilities.models import Facility

RAW = settings.RAW_DATA_DIR
MANIFEST = json.loads((RAW / "manifest.json").read_text(encoding="utf-8"))
SOURCE_NAMES = tuple(MANIFEST["sources"])


def read_source(name: str) -> Any:
    """Return the document of a source file in data/raw (one of them begins with a byte-order mark)."""
    return json.loads((RAW / f"{name}.json").read_text(encoding="utf-8-sig"))


def write_source(folder: Path, name: str, document: Any) -> Path:
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def run_import(folder: Path, *sources: str, **options: Any) -> dict[str, Any]:
    return import_facilities(ImportOptions(data_dir=folder, sources=sources, **options))


def write_small_delivery(folder: Path) -> None:
    """Write the seven files of data/raw with the first few of each of their lists and groups: a fraction to import."""
    for name in SOURCE_NAMES:
        write_source(folder, name, _shortened(read_source(name)))


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(inner) for inner in value[:4]]
    if not isinstance(value, dict):
        return value
    is_group = len(value) > 2 and all(isinstance(inner, dict | list) for inner in value.values())
    return {key: _shortened(inner) for key, inner in list(value.items())[: 2 if is_group else None]}


def provider(number: int, **fields: Any) -> dict[str, Any]:
    """Return record `number` of a made-up other_services.json: each a place of its own, spread over the counties."""
    return {
        "facility_name": f"{WORDS[number % len(WORDS)]} {WORDS[number // len(WORDS)]} Counselling Office",
        "service_type": "Psychosocial support; Legal aid",
        "contact": f"0722 {100 + number // 1000:03d} {number % 1000:03d}",
        "county": COUNTIES[number % len(COUNTIES)],
        "location": f"Plot {number}",
        "latitude": "",
        "longitude": "",
    } | fields


COUNTIES = ("Nairobi", "Mombasa", "Kisumu", "Nakuru")
WORDS = (
    "Amani", "Baraka", "Chania", "Dafina", "Elimu", "Faraja", "Gathoni", "Hekima", "Imani", "Jasiri", "Kipepeo",
    "Lulu", "Mwangaza", "Neema", "Ombaka", "Pendo", "Rehema", "Subira", "Tumaini", "Upendo", "Vumilia", "Wema",
)  # fmt: skip


def write_providers(folder: Path, records: list[Any]) -> Path:
    return write_source(folder, "other_services", records)


def registry() -> dict[str, Any]:
    """Return the registry by natural keys: no surrogate id, no timestamp, sealed values opened."""
    return {facility.facility_code: _facility_state(facility) for facility in Facility.objects.with_details()}


def _facility_state(facility: Facility) -> dict[str, Any]:
    facility.open_columns()
    position = getattr(facility, "coordinate", None)
    plain = (
        "registration_number", "facility_name", "facility_type_id", "address", "town", "level", "ownership",
        "opening_hours", "website", "has_gender_desk", "is_confidential", "is_active",
    )  # fmt: skip
    return {name: getattr(facility, name) for name in plain} | {
        "status": facility.operational_status and facility.operational_status.code,
        "county": facility.county.county_code,
        "constituency": facility.constituency and facility.constituency.constituency_code,
        "ward": facility.ward and facility.ward.ward_code,
        "contacts": sorted((c.contact_type.code, str(c.contact_value), c.is_primary) for c in facility.contacts.all()),
        "services": sorted((s.service_category.code, s.is_active) for s in facility.services.all()),
        "position": position
        and (position.latitude, position.longitude, position.sealed_position, position.accuracy_level),
    }


def row_versions() -> dict[str, list[tuple[Any, ...]]]:
    """Return, for each registry table, every row's place and writer: any write to a row changes one of them."""
    tables = ("facilities", "facility_contacts", "facility_services", "facility_coordinates")
    with connection.cursor() as cursor:
        return {table: _rows(cursor, f"SELECT ctid::text, xmin::text FROM {table} ORDER BY ctid") for table in tables}


REGISTRY_TABLES = (
    "quality_snapshots", "run_requests", "duplicate_pairs", "source_record_versions", "source_records", "source_files",
    "import_runs", "retired_codes", "pins", "facility_services", "facility_contacts", "facility_coordinates", "facilities",
)  # fmt: skip


def row_counts() -> dict[str, int]:
    """Return how many rows every table of the database has."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        return {table: _rows(cursor, f'SELECT count(*) FROM "{table}"')[0][0] for table in tables}


def _rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return list(cursor.fetchall())


def record_at(place: str) -> SourceRecord:
    """Return the ledger's row of "source:/json/pointer", as the manifest names records."""
    source, _, pointer = place.partition(":")
    found = SourceRecord.objects.select_related("facility", "latest_version").filter(source=source)
    record = found.filter(latest_version__pointer=pointer).first()
    return record or found.get(latest_version__pointer=hide_headings(pointer))  # of a confidential place


def facility_at(place: str) -> Facility:
    facility = record_at(place).facility
    assert facility is not None, f"{place} stands for no facility"
    return facility


def rules_at(place: str) -> set[str]:
    """Return the rules of every finding on a record's latest version."""
    version = record_at(place).latest_version
    assert version is not None
    return {finding["rule"] for finding in version.findings}
