"""What the tests with a database share: reference data loaded once, folders of source files, the registry as values."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from etl.pipeline import ImportOptions, import_facilities
from facilities.models import Facility

RAW = settings.RAW_DATA_DIR
MANIFEST = json.loads((RAW / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Geography and lookups stand in the test database before the first test; each test's own rows are rolled back."""
    with django_db_blocker.unblock():
        call_command("load_geography", verbosity=0, stdout=open("/dev/null", "w"))  # noqa: PTH123, SIM115


def read_source(name: str) -> Any:
    """Return the document of a source file in data/raw (one of them begins with a byte-order mark)."""
    return json.loads((RAW / f"{name}.json").read_text(encoding="utf-8-sig"))


def write_source(folder: Path, name: str, document: Any) -> Path:
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder of its own with the seven files of data/raw."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in RAW.glob("*.json"):
        if path.name != "manifest.json":
            shutil.copy(path, folder)
    return folder


def run_import(folder: Path, *sources: str, **options: Any) -> dict[str, Any]:
    return import_facilities(ImportOptions(data_dir=folder, sources=sources, **options))


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


def row_counts() -> dict[str, int]:
    """Return how many rows every table of the database has."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        return {table: _rows(cursor, f'SELECT count(*) FROM "{table}"')[0][0] for table in tables}


def _rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return list(cursor.fetchall())


@pytest.fixture
def imported(db: None) -> dict[str, Any]:
    """The summary of an import of data/raw into an empty registry."""
    return run_import(RAW)


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run import_facilities; returns its exit code, stdout and stderr."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            call_command("import_facilities", *map(str, arguments))
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    yield run
