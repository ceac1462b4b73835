"""Shelters whose every word is a canary, in every raw shape, and a search for them in anything: plain, base64, hex."""

import base64
import re
from pathlib import Path
from typing import Any

from django.db import connection

from tests.world import write_source

COUNT = 50
COUNTIES = ("Nairobi", "Mombasa", "Kisumu", "Nakuru", "Kiambu")
_SEPARATORS = re.compile(r"[\s\-()./+]+")


class Canary:
    """One shelter: what may be found of it nowhere."""

    def __init__(self, number: int) -> None:
        self.name = f"Qx{number:02d}canaryname Refuge"
        self.address = f"Qx{number:02d}canarylane 7"
        self.phone = f"07227{number:02d}913"
        self.email = f"qx{number:02d}canarymail@example.or.ke"
        self.latitude, self.longitude = f"-1.28{number:02d}1379", f"36.81{number:02d}7319"
        self.county = COUNTIES[number % len(COUNTIES)]
        self.words = (self.name.split()[0], self.address.split()[0], self.email.split("@")[0])
        self.digits = (self.phone[1:], f"28{number:02d}1379", f"81{number:02d}7319")


CANARIES = [Canary(number) for number in range(COUNT)]


def write_canaries(folder: Path) -> None:
    """Write the seven files: canary shelters of every raw shape, and beside each shape a look-alike of the next shape's."""
    shapes = {
        "regional": lambda part: {
            "regions": [{"region": "X", "counties": [{"county": c.county, "facilities": [_regional(c)]} for c in part]}]
        },
        "other_services": lambda part: [_provider(c) for c in part],
        "kps_stations": lambda part: {"police_stations": {"X": {"NAIROBI": {"Sub": [_station(c) for c in part]}}}},
        "category_A": lambda part: {"category": "A", "services_by_category": {"Medical": [_category(c) for c in part]}},
        "category_B": lambda part: {"category": "B", "organizations": [_organisation(c) for c in part]},
        "equity_afya": lambda part: {"network": "Equity Afia", "facilities": [_clinic(c) for c in part]},
        "gbv_support_organizations": lambda part: {"organizations": [_support(c) for c in part]},
    }
    for place, (name, document) in enumerate(shapes.items()):
        write_source(folder, name, document(CANARIES[place :: len(shapes)]))


def _regional(c: Canary) -> dict[str, Any]:
    return {
        "name": c.name, "mfl_code": 90000 + CANARIES.index(c), "type": "Shelter", "confidential": True,
        "location": {"address": c.address, "coordinates": {"lat": c.latitude, "long": c.longitude}},
        "contacts": {"phone": c.phone, "email": c.email},
    }  # fmt: skip


def _provider(c: Canary) -> dict[str, Any]:
    return {
        "facility_name": c.name, "service_type": "Shelter; Nonsense", "contact": f"{c.phone}, {c.email}", "county": c.county,
        "location": c.address, "latitude": c.latitude, "longitude": c.longitude,
    }  # fmt: skip


def _station(c: Canary) -> dict[str, Any]:
    return {
        "station_name": f"{c.name} - {c.phone}", "type": "Rescue centre", "confidential": "yes", "location": c.address,
        "contacts": [c.email], "latitude": c.latitude, "longitude": c.longitude,
    }  # fmt: skip


def _category(c: Canary) -> dict[str, Any]:
    return {
        "organization_name": c.name, "services": "Shelter", "type": "shelter", "confidential": True,
        "location": f"{c.address}, {c.county}", "phone": f"{c.phone} / 0722", "email": c.email,
        "coordinates": [float(c.longitude), float(c.latitude)],
    }  # fmt: skip


def _organisation(c: Canary) -> dict[str, Any]:
    place = {"county": c.county, "ward": c.address, "address": c.address}
    return {
        "organization_name": c.name, "services": ["Shelter"], "type": "shelter", "confidential": 1, "location": place,
        "contact": {"tel": c.phone, "email": c.email}, "latitude": c.latitude, "longitude": c.longitude,
    }  # fmt: skip


def _clinic(c: Canary) -> dict[str, Any]:
    return {
        "facility_name": c.name, "location": f"{c.address}, {c.county}", "services": "Shelter", "confidential": True,
        "coordinates": [float(c.longitude), float(c.latitude)], "phone": c.phone, "email": c.email,
    }  # fmt: skip


def _support(c: Canary) -> dict[str, Any]:
    contacts = [{"type": "hotline", "value": c.phone}, {"type": "email", "value": c.email}]
    return {
        "name": c.name, "type": "shelter", "location": {"county": c.county, "address": c.address}, "services": ["Shelter"],
        "contacts": contacts, "latitude": c.latitude, "longitude": c.longitude,
    }  # fmt: skip


def _needles() -> re.Pattern[str]:
    plain = {word for canary in CANARIES for word in (*canary.words, *canary.digits)}
    coded = {
        found for word in plain for form in {word, word.lower(), word.upper()} for found in _encoded(form.encode())
    }
    return re.compile(_any_of({word.lower() for word in plain} | coded))


def _any_of(words: set[str]) -> str:
    """Return a pattern of any of the words, the longest first; shared beginnings stand once, so that a search is fast."""
    endings: dict[str, set[str]] = {}
    for word in words - {""}:
        endings.setdefault(word[0], set()).add(word[1:])
    if not endings:
        return ""
    pattern = "|".join(re.escape(letter) + _any_of(rest) for letter, rest in sorted(endings.items()))
    return f"(?:{pattern})" + ("?" if "" in words else "")


def _encoded(word: bytes) -> list[str]:
    """Return a word as hex and as the three base64 texts that it can stand in, without the letters it shares."""
    found = [word.hex()]
    for before in range(3):
        text = base64.b64encode(b"\0" * before + word).decode().rstrip("=")
        found.append(text[(before * 8 + 5) // 6 : (before + len(word)) * 8 // 6])
    return found


NEEDLES = _needles()


def leaks(text: str) -> set[str]:
    """Return the canaries in a text: in plain whatever the case, with the separators of numbers, in base64 and in hex."""
    return {hit for form in (text, text.lower(), _SEPARATORS.sub("", text)) for hit in NEEDLES.findall(form)}


def leaks_in_database() -> dict[str, set[str]]:
    """Return the canaries in each table of the database, every column as text but keys: a high one looks like a coordinate."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                "SELECT string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position) FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = %s AND data_type NOT IN ('integer', 'bigint')",
                [table],
            )
            columns = cursor.fetchone()[0]
            cursor.execute(f"SELECT coalesce(string_agg(ROW({columns or ''})::text, chr(10)), '') FROM \"{table}\"")
            if hits := leaks(cursor.fetchone()[0]):
                found[table] = hits
    return found
