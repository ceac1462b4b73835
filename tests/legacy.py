"""Legacy databases for tests: the document's DDL in SQLite, the document's case in 2,982 rows, the same as a Django export."""

import csv
import json
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.canaries import Canary
from tests.own_databases import connected_to, copy_test_database, drop_all

# as the document writes it; the three lookups and the users it only names
DDL = """
CREATE TABLE counties (county_id INTEGER PRIMARY KEY, county_name VARCHAR(100) NOT NULL, county_code VARCHAR(10) UNIQUE NOT NULL);
CREATE TABLE constituencies (
    constituency_id INTEGER PRIMARY KEY, constituency_name VARCHAR(100) NOT NULL, constituency_code VARCHAR(10) UNIQUE NOT NULL,
    county_id INTEGER REFERENCES counties(county_id));
CREATE TABLE wards (
    ward_id INTEGER PRIMARY KEY, ward_name VARCHAR(100) NOT NULL, ward_code VARCHAR(10) UNIQUE NOT NULL,
    constituency_id INTEGER REFERENCES constituencies(constituency_id));
CREATE TABLE operational_statuses (status_id INTEGER PRIMARY KEY, status_name VARCHAR(100));
CREATE TABLE service_categories (category_id INTEGER PRIMARY KEY, category_name VARCHAR(100), description TEXT);
CREATE TABLE contact_types (type_id INTEGER PRIMARY KEY, type_name VARCHAR(100));
CREATE TABLE users (
    user_id INTEGER PRIMARY KEY, username VARCHAR(150), email VARCHAR(254), password VARCHAR(128), is_superuser BOOL);
CREATE TABLE facilities (
    facility_id INTEGER PRIMARY KEY, facility_code VARCHAR(50) UNIQUE NOT NULL, registration_number VARCHAR(100) NOT NULL,
    facility_name VARCHAR(255) NOT NULL, facility_type VARCHAR(100),
    operational_status_id INTEGER REFERENCES operational_statuses(status_id), ward_id INTEGER REFERENCES wards(ward_id),
    created_by INTEGER REFERENCES users(user_id), updated_by INTEGER REFERENCES users(user_id),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    is_active BOOLEAN DEFAULT TRUE);
CREATE TABLE facility_services (
    service_id INTEGER PRIMARY KEY, facility_id INTEGER REFERENCES facilities(facility_id),
    service_category_id INTEGER REFERENCES service_categories(category_id), is_active BOOLEAN DEFAULT TRUE);
CREATE TABLE facility_contacts (
    contact_id INTEGER PRIMARY KEY, facility_id INTEGER REFERENCES facilities(facility_id),
    contact_type_id INTEGER REFERENCES contact_types(type_id), contact_value VARCHAR(255) NOT NULL,
    is_primary BOOLEAN DEFAULT FALSE);
CREATE TABLE facility_coordinates (
    coordinate_id INTEGER PRIMARY KEY, facility_id INTEGER REFERENCES facilities(facility_id),
    latitude DECIMAL(10, 8), longitude DECIMAL(11, 8), accuracy_level VARCHAR(50));
CREATE TABLE audit_trail (
    audit_id INTEGER PRIMARY KEY, table_name VARCHAR(100) NOT NULL, record_id INTEGER NOT NULL, operation VARCHAR(20) NOT NULL,
    old_values JSONB, new_values JSONB, changed_by INTEGER REFERENCES users(user_id),
    changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, session_id VARCHAR(100));
"""
KEYS = {
    "counties": "county_id", "constituencies": "constituency_id", "wards": "ward_id", "operational_statuses": "status_id",
    "service_categories": "category_id", "contact_types": "type_id", "users": "user_id", "facilities": "facility_id",
    "facility_services": "service_id", "facility_contacts": "contact_id", "facility_coordinates": "coordinate_id",
    "audit_trail": "audit_id",
}  # fmt: skip
MODELS = {
    "counties": "geo.county", "constituencies": "geo.constituency", "wards": "geo.ward",
    "operational_statuses": "registry.operationalstatus", "service_categories": "registry.servicecategory",
    "contact_types": "registry.contacttype", "users": "accounts.user", "facilities": "registry.facility",
    "facility_services": "registry.facilityservice", "facility_contacts": "registry.facilitycontact",
    "facility_coordinates": "registry.facilitycoordinate", "audit_trail": "registry.audittrail",
}  # fmt: skip
FIRST, LAST = ("Amani", "Baraka", "Chania", "Dafina", "Elimu", "Faraja", "Hekima", "Imani", "Jasiri", "Lulu"), (
    "Hospital", "Dispensary", "Health Centre", "Police Station", "Medical Clinic", "Legal Aid Office",
)  # fmt: skip
FACILITIES, OBJECTS = 237, 2_982
Rows = dict[str, list[dict[str, Any]]]


def geography(*, shuffled: bool = False) -> Rows:
    """Return the register's counties, constituencies and wards under legacy keys, in the order of their codes or in any."""
    with (settings.FIXTURES_DIR / "geography.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    draw = random.Random(7)
    keys: dict[str, dict[str, int]] = {}
    for level in ("county", "constituency", "ward"):
        codes = sorted({line[f"{level}_code"] for line in lines})
        numbers = list(range(1, len(codes) + 1))
        if shuffled:
            draw.shuffle(numbers)
        keys[level] = dict(zip(codes, numbers, strict=True))
    rows: Rows = {"counties": [], "constituencies": [], "wards": []}
    seen = set()
    for line in lines:
        for table, level, above in (
            ("counties", "county", ""),
            ("constituencies", "constituency", "county"),
            ("wards", "ward", "constituency"),
        ):
            code = line[f"{level}_code"]
            if (table, code) in seen:
                continue
            seen.add((table, code))
            row = {f"{level}_id": keys[level][code], f"{level}_name": line[level], f"{level}_code": code}
            rows[table].append(row | ({f"{above}_id": keys[above][line[f"{above}_code"]]} if above else {}))
    return rows


def document_case(*, shuffled: bool = False) -> Rows:
    """Return the document's case: 237 facilities in 2,982 objects."""
    rows = geography(shuffled=shuffled)
    rows["operational_statuses"] = _named("status", ("Operational", "Non-functional", "Suspended", "Being renamed"))
    rows["service_categories"] = _named(
        "category",
        ("Medical Care", "PEP", "Counselling", "Legal Aid", "Post rape care", "HTC", "Referral", "Lab", "Pharmacy", "Forensic",
         "Training", "Spiritual Care"),
    )  # fmt: skip
    rows["contact_types"] = _named("type", ("Phone", "Email", "Hotline", "Fax"))
    rows["users"] = [
        {"user_id": n, "username": name, "email": f"{name}@example.org", "password": "md5$x$y", "is_superuser": 1}
        for n, name in enumerate(("wanjiru", "otieno", "mutua", "achieng", "legacy-admin"), start=1)
    ]
    rows["facilities"] = [facility(n, ward_id=1 + 6 * n) for n in range(1, FACILITIES + 1)]
    rows["facility_services"] = [
        {
            "service_id": n,
            "facility_id": 1 + (n - 1) % FACILITIES,
            "service_category_id": 1 + (n - 1) // FACILITIES + n % 5,
            "is_active": 1,
        }
        for n in range(1, 401)
    ]
    rows["facility_contacts"] = [
        contact(n, 1 + (n - 1) % FACILITIES, is_primary=int(n <= FACILITIES)) for n in range(1, 301)
    ]
    rows["facility_coordinates"] = [
        {
            "coordinate_id": n,
            "facility_id": n,
            "latitude": round(-1.2833 + n / 1000, 5),
            "longitude": round(36.8172 + n / 997, 5),
            "accuracy_level": "GPS",
        }
        for n in range(1, 201)
    ]
    rows["audit_trail"] = [
        {
            "audit_id": n, "table_name": "facilities", "record_id": n, "operation": "INSERT", "old_values": None,
            "new_values": json.dumps({"facility_name": f"Old {n}", "is_active": True, "ward_id": 3}), "changed_by": 1 + n % 5,
            "changed_at": "2024-02-03 04:05:06", "session_id": f"run:{n}",
        }
        for n in range(1, 34)
    ]  # fmt: skip
    assert sum(map(len, rows.values())) == OBJECTS
    return rows


def _named(kind: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    first = 10 if kind == "status" else 1
    return [{f"{kind}_id": n, f"{kind}_name": name} for n, name in enumerate(names, start=first)]


def facility(number: int, **values: Any) -> dict[str, Any]:
    """Return facility `number` of a legacy database: a place of its own."""
    return {
        "facility_id": number, "facility_code": f"FAC-{number:04d}", "registration_number": f"REG/{number:05d}",
        "facility_name": f"{FIRST[number % 10]} {FIRST[(number // 10) % 10]} {LAST[number % 6]} {number}",
        "facility_type": LAST[number % 6], "operational_status_id": 10, "ward_id": 1, "created_by": 1, "updated_by": 2,
        "created_at": "2023-05-06 07:08:09", "updated_at": "2023-06-07 08:09:10", "is_active": 1,
    } | values  # fmt: skip


def contact(number: int, facility_id: Any, **values: Any) -> dict[str, Any]:
    """Return contact `number`: an invented mobile number."""
    return {
        "contact_id": number, "facility_id": facility_id, "contact_type_id": 1,
        "contact_value": f"0722 {number // 1000:03d} {number % 1000:03d}",
        "is_primary": 0,
    } | values  # fmt: skip


def write_sqlite(path: Path, rows: Mapping[str, list[dict[str, Any]]], *, ddl: str = DDL) -> Path:
    """Write a legacy database; nothing checks its foreign keys, as nothing did then."""
    with closing(sqlite3.connect(path)) as legacy:
        legacy.executescript(ddl)
        for table, found in rows.items():
            for row in found:
                columns, marks = ", ".join(row), ", ".join("?" * len(row))
                legacy.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(row.values()))
        legacy.commit()
    return path


def write_dumpdata(path: Path, rows: Mapping[str, list[dict[str, Any]]]) -> Path:
    """Write the same as Django's dumpdata does: fields by name, references without _id, booleans as such."""
    objects = []
    for table, found in rows.items():
        for row in found:
            pk = row[KEYS[table]]
            fields = {
                name.removesuffix("_id") if name in _REFERENCES else name: value
                for name, value in row.items()
                if name != KEYS[table]
            }
            fields |= {name: bool(fields[name]) for name in ("is_active", "is_primary") if fields.get(name) in (0, 1)}
            objects.append({"model": MODELS[table], "pk": pk, "fields": fields})
    path.write_text(json.dumps(objects), encoding="utf-8")
    return path


_REFERENCES = {
    "county_id",
    "constituency_id",
    "ward_id",
    "operational_status_id",
    "facility_id",
    "service_category_id",
    "contact_type_id",
}


@contextmanager
def own_database() -> Iterator[None]:
    """Let the code under test work on a copy of the test database, in which everything commits."""
    copy = copy_test_database("_legacy")
    try:
        with connected_to(copy):
            yield
    finally:
        drop_all(copy)


SHELTER = Canary(7)


def hostile_case() -> Rows:
    """Return a small database in which something is wrong with nearly every row."""
    rows = geography()
    rows["counties"].append({"county_id": 90, "county_name": "Malindi", "county_code": "X1"})
    rows["counties"].append({"county_id": 91, "county_name": "Nairobi City County", "county_code": "X2"})
    rows["constituencies"].append(
        {"constituency_id": 900, "constituency_name": "Unknown", "constituency_code": "X3", "county_id": 90}
    )
    rows["constituencies"].append(
        {"constituency_id": 901, "constituency_name": "Orphan", "constituency_code": "X4", "county_id": 777}
    )
    rows["wards"] += [
        {"ward_id": 9000, "ward_name": "MANDERA Central Ward 62", "ward_code": "X5", "constituency_id": 40},
        {"ward_id": 9001, "ward_name": "Unknown", "ward_code": "X6", "constituency_id": 900},
        {"ward_id": 9002, "ward_name": "", "ward_code": "X7", "constituency_id": 1},
    ]
    rows["operational_statuses"] = [{"status_id": 1, "status_name": "Functional"}, {"status_id": 2, "status_name": " "}]
    rows["service_categories"] = [
        {"category_id": 1, "category_name": "PEP"}, {"category_id": 2, "category_name": "HIV/PEP"},
        {"category_id": 3, "category_name": "Shelter"}, {"category_id": 4, "category_name": "Prayer"},
        {"category_id": 5, "category_name": "Ask 0722 000 204"},
    ]  # fmt: skip
    rows["contact_types"] = [{"type_id": 1, "type_name": "Phone"}, {"type_id": 2, "type_name": "Email"}]
    rows["users"] = [
        {"user_id": 1, "username": "mary", "email": "no address"}, {"user_id": 2, "username": ""},
        {"user_id": 3, "username": "mary"},
    ]  # fmt: skip
    rows["facilities"] = [
        facility(1, registration_number="N/A", is_active="t"),
        facility(2, registration_number="0", is_active="maybe", created_at="yesterday", created_by=99),
        facility(3, facility_code="fac 3/b", registration_number="REG/1"),
        facility(4, registration_number="REG/1", facility_type="Temple", ward_id=9000, operational_status_id=8),
        facility(5, facility_name="  "),
        facility(6, ward_id=9001),
        facility(7, ward_id=None),
        facility(8, ward_id=5555, facility_code="FAC-0008\n"),
        facility(9, created_at=1_700_000_000, updated_at="31/12/2023 10:00", registration_number="R9"),
        facility(
            10, facility_name=SHELTER.name, facility_type="Shelter", registration_number="QX-1", ward_id=3
        ),
        facility(11, facility_code="", registration_number="R11", facility_name="Amani Clinic 0733 111 222"),
    ]  # fmt: skip
    rows["facility_services"] = [
        {"service_id": 1, "facility_id": 1, "service_category_id": 1, "is_active": 1},
        {"service_id": 2, "facility_id": 1, "service_category_id": 2, "is_active": 1},
        {"service_id": 3, "facility_id": 99, "service_category_id": 1, "is_active": 1},
        {"service_id": 4, "facility_id": 1, "service_category_id": 77, "is_active": 1},
        {"service_id": 5, "facility_id": None, "service_category_id": 1, "is_active": 1},
        {"service_id": 6, "facility_id": 2, "service_category_id": 4, "is_active": 2},
        {"service_id": 7, "facility_id": 5, "service_category_id": 1, "is_active": 1},
    ]
    rows["facility_contacts"] = [
        contact(1, 1, contact_value="116", is_primary=1), contact(2, 1, contact_value="+254 722 000 100", is_primary=1),
        contact(3, 1, contact_value="0722-000100"), contact(4, 1, contact_value="call the chief"),
        contact(5, 1, contact_type_id=2, contact_value="Info@Example.OR.KE"), contact(6, 1, contact_type_id=9),
        contact(7, 98), contact(8, 2, contact_value="0722000201 / 0722000202"), contact(9, 2, contact_value="07220"),
        contact(10, 10, contact_value=SHELTER.phone), contact(11, 10, contact_value=f"ask {SHELTER.address}"),
        contact(12, 2, contact_value="www.example.or.ke"), contact(13, "abc"), contact(14, 2, contact_value="0722000203\0"),
    ]  # fmt: skip
    rows["facility_coordinates"] = [
        {"coordinate_id": 1, "facility_id": 1, "latitude": 36.8172, "longitude": -1.2833, "accuracy_level": "exact"},
        {"coordinate_id": 2, "facility_id": 1, "latitude": -1.3, "longitude": 36.8, "accuracy_level": ""},
        {"coordinate_id": 3, "facility_id": 2, "latitude": 0, "longitude": 0, "accuracy_level": None},
        {"coordinate_id": 4, "facility_id": 3, "latitude": 51.5, "longitude": -0.1, "accuracy_level": None},
        {"coordinate_id": 5, "facility_id": 4, "latitude": "north", "longitude": None, "accuracy_level": None},
        {"coordinate_id": 6, "facility_id": 10, "latitude": SHELTER.latitude, "longitude": SHELTER.longitude},
    ]  # fmt: skip
    rows["audit_trail"] = [
        audit(
            1,
            "facilities",
            10,
            {"facility_name": SHELTER.name, "address": SHELTER.address, "ward_id": 3, "victim": "x"},
        ),
        audit(2, "facility_contacts", 10, {"facility_id": 10, "contact_value": SHELTER.phone, "email": SHELTER.email}),
        audit(
            3,
            "facility_coordinates",
            6,
            {"facility_id": 10, "latitude": SHELTER.latitude, "longitude": SHELTER.longitude},
        ),
        audit(4, "facilities", 500, {"facility_name": SHELTER.name, "facility_type": "Shelter"}),
        audit(5, "django_session", 5, {"session_data": "x"}),
        audit(6, "facilities", 1, {"facility_name": "Before"}, operation="EXPLODE"),
        audit(7, "facilities", 1, None, new_values="{not json", changed_at="soon", changed_by=55),
        audit(8, "facilities", 1, {"facility_name": "Before"}, operation="update", session_id="run:1"),
        audit(9, "facilities", "x", {}),
    ]
    return rows


def audit(number: int, table: str, record: Any, values: Any, **others: Any) -> dict[str, Any]:
    """Return audit row `number` of a legacy database."""
    return {
        "audit_id": number, "table_name": table, "record_id": record, "operation": "INSERT", "old_values": None,
        "new_values": json.dumps(values), "changed_by": 1, "changed_at": "2024-01-01T00:00:00Z", "session_id": "s",
    } | others  # fmt: skip
