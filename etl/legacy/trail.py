"""The legacy audit trail: its rows beside ours, under their own keys, with nothing in their images that we would not keep."""

from collections.abc import Mapping
from datetime import datetime
from itertools import batched
from typing import Any

from django.db import models

from core.crypto import EncryptedTextField, encrypt
from core.models import AuditEntry
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.legacy.ground import Ground
from etl.legacy.lookups import NAME_COLUMNS
from etl.legacy.people import follow_user
from etl.legacy.rows import MODELS, PORTION
from etl.sources import MIGRATED
from etl.stages import clean
from etl.stages.decoding import TextError, ValueReader
from etl.stages.legacy import (
    OPERATIONS,
    TABLES,
    columns_of,
    is_blank,
    table_of,
    to_key,
    to_reference,
    to_time,
    to_words,
)
from etl.stages.records import Reference, StagedFacility
from etl.stages.transform import standardise
from facilities.protection import gives_shelter
from facilities.sealing import PlaceCodes, sealed_image

TABLE = "audit_trail"
SESSION = "legacy:"  # before each session of the legacy database: its "run:5" is no run of ours
_LONGEST_SESSION = 100
_LONGEST_IMAGE = 100_000  # characters
_SEALED_ITSELF = frozenset({"sealed_details", "sealed_position", "value_index", "password"})
Image = dict[str, Any]
_Fact = tuple[str, int, str, str]
_Standing = dict[_Fact, list[tuple[datetime, int]]]


def land_trail(legacy: LegacyDatabase, *, ground: Ground) -> None:
    """Give every legacy audit row that is about a table of ours its row in the trail; the others are listed."""
    places = PlaceCodes()
    there = _standing()
    for rows in batched(legacy.rows(TABLE), PORTION):
        entries = []
        for row in rows:
            ground.books.read[TABLE] += 1
            if entry := _entry(row, ground, places, there):
                entries.append(entry)
        ground.written.write(entries)


def _standing() -> _Standing:
    """Return the keys of the legacy rows that stand in the trail already, by what they are about."""
    there: _Standing = {}
    columns = ("table_name", "record_id", "operation", "session_id", "changed_at", "pk")
    rows = AuditEntry.objects.filter(session_id__startswith=SESSION).order_by("-pk").values_list(*columns)
    for table, record, operation, session, moment, pk in rows:
        there.setdefault((table, record, operation, session or ""), []).append((moment, pk))
    return there


def _take_standing(there: _Standing, fact: _Fact, moment: datetime | None) -> int | None:
    """Return the key of a row that stands in the trail, and give it away; one whose time nobody could read has any time."""
    standing = there.get(fact, [])
    found = next((one for one in reversed(standing) if moment in (None, one[0])), None)
    if found is None:
        return None
    standing.remove(found)
    return found[1]


def _entry(row: LegacyRow, ground: Ground, places: PlaceCodes, there: _Standing) -> AuditEntry | None:
    books = ground.books
    table, reason = _about(row, ground)
    if reason:
        books.list(TABLE, row, reason)
        return None
    pk = _record(row, table, ground) or 0
    operation = OPERATIONS[to_words(row.values.get("operation")).casefold()]
    session = f"{SESSION}{to_words(row.values.get('session_id'))}"[:_LONGEST_SESSION]
    moment = to_time(row.values.get("changed_at"))
    if standing := _take_standing(there, (table, pk, operation, session), moment):
        books.find(TABLE, row, standing)
        return None
    images = [
        _image(row, column, table=table, pk=pk, ground=ground, places=places) for column in ("old_values", "new_values")
    ]
    key = ground.keys[TABLE].take(row.key)
    books.land(TABLE, row, key)
    return AuditEntry(
        pk=key,
        table_name=table,
        record_id=pk,
        operation=operation,
        old_values=images[0],
        new_values=images[1],
        changed_by_id=follow_user("changed_by", row, table=TABLE, books=books),
        changed_at=ground.time(TABLE, row, "changed_at"),
        session_id=session,
    )


def _about(row: LegacyRow, ground: Ground) -> tuple[str, str]:
    """Return the table of ours that a row is about, or why it cannot stand in our trail."""
    name = to_words(row.values.get("table_name"))
    table = table_of(name)
    if not table or table == TABLE:
        shown = f"'{clean.mask(name)}', which is " if name.isidentifier() else ""  # other words may name a place
        return "", f"it is about {shown}no table of the registry" if name else "it names no table"
    record = _record(row, table, ground)
    if record is None:
        return "", "its record_id is no key"
    if to_words(row.values.get("operation")).casefold() not in OPERATIONS:
        return "", f"'{clean.mask(to_words(row.values.get('operation')))}' is no INSERT, UPDATE or DELETE"
    if to_reference(row.values.get("record_id")) not in ground.books.ids[table] and not ground.keys[table].is_free(
        record
    ):
        return "", f"the row that it is about is gone, and {table} {record} is another one here"
    return table, ""


def _record(row: LegacyRow, table: str, ground: Ground) -> int | None:
    """Return our key of the row that an audit row is about, the legacy key where no such row landed; None where it is no key."""
    value = row.values.get("record_id")
    return ground.books.ids[table].get(to_reference(value) or 0) or to_key(value)


def _image(row: LegacyRow, column: str, *, table: str, pk: int, ground: Ground, places: PlaceCodes) -> Image | None:
    """Return an image as our triggers would have written it: our columns and keys, protected values sealed."""
    value = row.values.get(column)
    if is_blank(value):
        return None
    said = _decode(value)
    if said is None:
        ground.books.note(TABLE, row, f"{column} is no JSON object, and was left out")
        return None
    model = MODELS[table]
    image = {name: told for name, told in _known(said, table, model, ground).items() if name not in _SEALED_ITSELF}
    image[str(model._meta.pk.column)] = pk  # noqa: SLF001 - documented API
    is_hidden = _is_hidden(table, image, said, pk, ground)
    sealed = {
        name: encrypt(image[name], column=f"{table}.{name}")
        for name in (str(f.column) for f in model._meta.concrete_fields if isinstance(f, EncryptedTextField))  # noqa: SLF001 - documented API
        if isinstance(image.get(name), str)
    }
    return ((is_hidden and sealed_image(table, image, places)) or image) | sealed


def _decode(value: object) -> Image | None:
    text = value.decode("utf-8", "ignore") if isinstance(value, bytes) else str(value)
    if len(text) > _LONGEST_IMAGE or text.count("{") + text.count("[") > 1000:
        return None
    try:
        said, findings = ValueReader().read(text.strip(), "")
    except (TextError, RecursionError):
        return None
    if isinstance(said, str):  # JSON inside JSON text
        return _decode(said) if said.lstrip().startswith("{") else None
    return said if isinstance(said, dict) and not findings else None


def _known(said: Mapping[str, Any], table: str, model: type[models.Model], ground: Ground) -> Image:
    """Return what an image says in our columns: scalars only, texts on one line, references by our keys."""
    image: Image = {}
    by_name = {name.casefold(): value for name, value in said.items()}
    for field in model._meta.concrete_fields:  # noqa: SLF001 - documented API
        name = str(field.column)
        found = next((n for n in (name, name.removesuffix("_id"), f"{name}_id") if n in by_name), None)
        if found is None or field.primary_key:
            continue
        value = by_name[found]
        if isinstance(value, dict | list):
            continue
        if isinstance(field, models.ForeignKey) and not isinstance(field.target_field, models.CharField):
            value = _followed(field, value, ground)
        image[name] = to_words(value) if isinstance(value, str) else value
    if table in NAME_COLUMNS:
        read = columns_of(TABLES[table], list(said))
        if told := read.get("name"):
            image[NAME_COLUMNS[table]] = to_words(said[told])
    return image


def _followed(field: "models.ForeignKey[Any, Any]", value: object, ground: Ground) -> int | None:
    table, key = field.related_model._meta.db_table, to_key(value)  # noqa: SLF001 - documented API
    if table not in MODELS:
        return None
    ours = ground.books.ids[table].get(to_reference(value) or 0)
    return ours or (key if ground.keys[table].is_free(key) else None)


def _is_hidden(table: str, image: Image, said: Image, pk: int, ground: Ground) -> bool:
    """Return whether an image is about a place that is confidential, was when it was written, or is not known to be open."""
    if table not in {"facilities", "facility_coordinates"}:
        return False
    facility = pk if table == "facilities" else image.get("facility_id")
    if ground.hidden.get(facility or 0, True):
        return True
    return table == "facilities" and _was_shelter(said, ground.reference)


def _was_shelter(said: Image, reference: Reference) -> bool:
    staged = StagedFacility(name=to_words(said.get("facility_name")), facility_type=to_words(said.get("facility_type")))
    record = standardise(staged, source=MIGRATED, key="", reference=reference).record
    return gives_shelter(reference.kind_by_type.get(record.facility_type, ""), ())


def shift_trail(highest: int) -> None:
    """Move our own trail above the legacy keys; only where the registry was never used: it tells of reference data."""
    newest = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first()
    oldest = AuditEntry.objects.order_by("pk").values_list("pk", flat=True).first()
    if newest and oldest and oldest <= highest:
        AuditEntry.objects.update(audit_id=models.F("audit_id") + max(newest, highest))
