"""A Django export (`dumpdata`) of a legacy database, as the tables that it was made of, in memory."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from etl.legacy.database import SQLITE, LegacyDatabase, LegacyFileError, open_sqlite, quoted
from etl.sources import MIGRATED
from etl.stages import clean
from etl.stages.extract import inspect_file, read_records
from etl.stages.legacy import TABLES, table_of
from etl.stages.records import Layout, RawRecord

LAYOUT = Layout(("[]",), ("model", "pk", "fields"))
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # a shell on Windows wrote it: what reads JSON says so
_MEGABYTE = 1 << 20
_PORTION = 5_000
_LONGEST_LABEL = 100
_MOST_COLUMNS = 1_000  # SQLite takes 2,000


@contextmanager
def open_legacy(path: Path) -> Iterator[LegacyDatabase]:
    """Give a legacy database, in SQLite or as a Django export in JSON; raises LegacyFileError, or UnsoundFileError for JSON."""
    first = _first_bytes(path)
    if first.startswith(SQLITE):
        with open_sqlite(path) as legacy:
            yield legacy
    elif first.startswith(_WIDE) or first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
        with _open_export(path) as legacy:
            yield legacy
    else:
        what = "is empty" if not first else "is neither a SQLite database nor a Django export in JSON"
        raise LegacyFileError(f"{path.name}: {what}; name the legacy .sqlite3 file, or its `dumpdata` output")


def _first_bytes(path: Path) -> bytes:
    if not path.exists():
        raise LegacyFileError(f"{clean.mask(path.name)}: there is no such file")
    if not path.is_file():
        raise LegacyFileError(f"{path.name}: is a folder, pipe or device; name a file")
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise LegacyFileError(f"{path.name}: cannot be read ({error.strerror})") from error


@contextmanager
def _open_export(path: Path) -> Iterator[LegacyDatabase]:
    limit = settings.ETL_MAX_FILE_MB * _MEGABYTE
    sound = inspect_file(path, source=MIGRATED, layout=LAYOUT, max_bytes=limit, profiling=False)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        legacy = LegacyDatabase(path.name, sound.sha256, sound.size_bytes, connection)
        tables, others = _Tables(connection), defaultdict[str, int](int)
        for raw in read_records(sound, source=MIGRATED, layout=LAYOUT):
            _take(raw, tables, legacy, others)
        tables.flush()
        legacy.look_around()
        legacy.other_tables |= others
        yield legacy
    finally:
        connection.close()


def _take(raw: RawRecord, tables: "_Tables", legacy: LegacyDatabase, others: dict[str, int]) -> None:
    """Keep one object of the export; what is none that can be read is listed, and what is not ours is counted."""
    payload = raw.payload if isinstance(raw.payload, dict) else {}
    label = payload.get("model") if isinstance(payload.get("model"), str) else ""
    table = table_of(str(label))
    if label and not table:
        name = clean.mask(str(label)[:_LONGEST_LABEL])
        others[name] += 1
        return
    fields = payload.get("fields")
    reason = raw.findings[0].message if raw.findings else "" if label else "it names no model"
    if not reason and not isinstance(fields, dict):
        reason = "it has no fields"
    if reason or not isinstance(fields, dict):
        legacy.unreadable.append((table or "objects", raw.pointer, reason))
        return
    tables.add(table, {TABLES[table].key: payload.get("pk")} | fields)


class _Tables:
    """Tables that grow a column when an object brings one: Django exports leave none out, hand-made files do."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._columns: dict[str, dict[str, None]] = {}
        self._waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(self, table: str, row: dict[str, Any]) -> None:
        """Add a row; names are compared without case, as SQLite does."""
        lowered: dict[str, Any] = {}
        for name, value in row.items():
            lowered.setdefault(name.casefold().replace("\0", "")[:_LONGEST_LABEL] or "_", value)
        self._waiting[table].append(lowered)
        if len(self._waiting[table]) >= _PORTION:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for table, rows in self._waiting.items():
            self._make_columns(table, [name for row in rows for name in row])
            names = list(self._columns[table])
            marks = ", ".join("?" * len(names))
            columns = ", ".join(map(quoted, names))
            self._connection.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 # nosec B608 # names of our own, and quoted ones
                [[_stored(row.get(name)) for name in names] for row in rows],
            )
        self._waiting.clear()

    def _make_columns(self, table: str, names: list[str]) -> None:
        known = self._columns.get(table)
        if known is None:
            known = self._columns[table] = {TABLES[table].key: None}
            self._connection.execute(f"CREATE TABLE {table} ({quoted(TABLES[table].key)} BLOB)")
        for name in dict.fromkeys(names):
            if len(known) >= _MOST_COLUMNS:
                raise LegacyFileError(
                    f"{table}: the objects have more than {_MOST_COLUMNS:,} different fields; is this dumpdata?"
                )
            if name not in known:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} BLOB")
                known[name] = None


def _stored(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=True, default=str)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, str):
        with suppress(UnicodeEncodeError):
            value.encode()
            return value
        return value.encode("utf-8", "ignore").decode()
    return value
