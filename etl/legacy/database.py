"""A legacy database, opened for reading: which of the document's tables it holds, their rows, and what else stands in it."""

import hashlib
import sqlite3
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from etl.errors import EtlError
from etl.stages import clean
from etl.stages.legacy import TABLES, columns_of, table_of, to_key, to_reference

LARGEST_VALUE = 1 << 26  # bytes of a value, or of a row
_LONGEST_NAME = 100  # characters
_PATIENCE = 5.0  # seconds: another program may be writing
_TABLES_AND_VIEWS = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
SQLITE = b"SQLite format 3\0"


class LegacyFileError(EtlError):
    """The legacy file is not there, cannot be read, or is no legacy database."""

    code = "legacy-unreadable"


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """A row as the file holds it: its place in the table (from 1), its key where we can keep it, its values by our columns.

    `reference` is what points to it.
    """

    number: int
    key: int | None
    values: dict[str, Any]
    reference: int | str | None

    @property
    def label(self) -> str:
        """How a person finds the row: its key, or its place where it has none that can be read."""
        return str(self.key) if self.key is not None else f"(row {self.number})"


@dataclass(slots=True)
class LegacyDatabase:
    """The tables of a file under the document's names.

    `other_tables` and `other_columns` are what is no part of the registry, with how many rows or values. `unreadable` are
    objects of an export that never became a row: table, place, reason.
    """

    name: str
    sha256: str
    size_bytes: int
    connection: sqlite3.Connection
    remarks: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    other_tables: dict[str, int] = field(default_factory=dict)
    other_columns: dict[str, int] = field(default_factory=dict)
    _tables: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    _digests: dict[str, "array[int]"] = field(default_factory=dict)

    def look_around(self) -> None:
        """Find the tables and columns; raises LegacyFileError where no facilities are among them."""
        listed = [(str(name), kind == "view") for name, kind in self._all(_TABLES_AND_VIEWS)]
        for name, is_view in sorted(listed, key=lambda one: (one[1], one[0].casefold() not in TABLES, one[0])):
            table = table_of(name)
            if table and table not in self._tables and (not is_view or name.casefold() == table):
                self._look_at(table, name)
            elif not is_view:
                query = f"SELECT count(*) FROM {quoted(name)}"  # noqa: S608 # nosec B608 # a quoted name
                self.other_tables[shown_name(name, self.other_tables)] = self._count(query)
        if "facilities" not in self._tables:
            raise self._without_facilities()
        if missing := [table for table in TABLES if table not in self._tables]:
            self.remarks.append(f"Not in the file: {', '.join(missing)}; what points there points nowhere")
        if not self._count(f"SELECT count(*) FROM {quoted(self._tables['facilities'][0])}"):  # noqa: S608 # nosec B608 # a quoted name
            self.remarks.append("The file holds no facility: is it the right one?")

    def _without_facilities(self) -> LegacyFileError:
        if not self.unreadable:
            message = f"{self.name}: has no table of facilities; name the legacy registry's own database or export"
            return LegacyFileError(message)
        _, place, reason = self.unreadable[0]
        return LegacyFileError(
            f"{self.name}: has no facility that can be read, and {len(self.unreadable):,} objects that cannot,"
            f" the first at {place}: {reason}; mend that"
        )

    def _look_at(self, table: str, name: str) -> None:
        told = self._all(f"PRAGMA table_info({quoted(name)})")
        columns, keys = [str(row[1]) for row in told], [str(row[1]) for row in told if row[5]]
        read = columns_of(TABLES[table], columns, key=keys[0] if len(keys) == 1 else "")
        self._tables[table] = name, read
        for column in columns:
            if column not in read.values():
                query = f"SELECT count({quoted(column)}) FROM {quoted(name)}"  # noqa: S608 # nosec B608 # quoted names
                self.other_columns[shown_name(f"{table}.{column}", self.other_columns)] = self._count(query)

    def highest_key(self, table: str) -> int:
        """Return the highest key that a table states, 0 where it has none."""
        _, read = self._tables.get(table, ("", {}))
        if TABLES[table].key not in read:
            return 0
        return max((row.key or 0 for row in self._read(table)), default=0)

    def rows(self, table: str) -> Iterator[LegacyRow]:
        """Yield the rows of a table by key, none where the file lacks it; what was read is remembered for check_again()."""
        seen = self._digests[table] = array("Q")
        for row in self._read(table):
            seen.append(_digest(row))
            yield row

    def check_again(self) -> None:
        """Read every table that was read a second time; raises LegacyFileError where a row differs."""
        for table, seen in self._digests.items():
            if array("Q", map(_digest, self._read(table))) != seen:
                raise LegacyFileError(f"{self.name}: {table} reads differently a second time; nothing was written")

    def _read(self, table: str) -> Iterator[LegacyRow]:
        if table not in self._tables:
            return
        name, read = self._tables[table]
        key = read.get(TABLES[table].key, "")
        columns = ", ".join(map(quoted, read.values())) or "NULL"
        order = f"ORDER BY {quoted(key)}" if key else ""
        names = list(read)
        try:
            for number, values in enumerate(
                self.connection.execute(f"SELECT {columns} FROM {quoted(name)} {order}"),  # noqa: S608 # nosec B608 # quoted names
                start=1,
            ):
                row = dict(zip(names, values, strict=False))
                stated = row.pop(TABLES[table].key, None)
                yield LegacyRow(number, to_key(stated), row, to_reference(stated))
        except sqlite3.Error as error:
            raise _unread(self.name, error) from error

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise _unread(self.name, error) from error

    def _count(self, query: str) -> int:
        return int(self._all(query)[0][0])


def _digest(row: LegacyRow) -> int:
    text = repr((row.number, row.reference, sorted(row.values.items()))).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def quoted(name: str) -> str:
    """Return a name as SQLite's SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def shown_name(name: str, known: Mapping[str, int]) -> str:
    """Return a name of the file as a person may be shown it: one short line without contacts, and none of the known ones."""
    shown = clean.mask(clean.to_line(clean.to_text(name))[:_LONGEST_NAME])
    names = (shown if number == 1 else f"{shown} ({number})" for number in count(1))
    return next(one for one in names if one not in known)


def _unread(name: str, error: sqlite3.Error) -> LegacyFileError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_TOOBIG:
        return LegacyFileError(
            f"{name}: a value in it is larger than {LARGEST_VALUE >> 20} MB; shorten it, and try again"
        )
    return _damaged(name)


def _damaged(name: str) -> LegacyFileError:
    return LegacyFileError(
        f"{name}: the database is damaged; recover it (sqlite3 FILE .recover), and migrate what comes out"
    )


@contextmanager
def open_sqlite(path: Path) -> Iterator[LegacyDatabase]:
    """Give a SQLite file, read in one snapshot and never written; raises LegacyFileError."""
    digest, size = _hash(path)
    beside = path.with_name(f"{path.name}-wal")
    remarks = []
    if beside.exists() and beside.stat().st_size:
        remarks.append(f"{beside.name} lies beside it and is read, too")
    elif _keeps_wal(path):
        remarks.append(
            f"No {beside.name} lies beside it: if it was copied while a program had it open, its last changes are not in it"
        )
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=_PATIENCE, isolation_level=None
        )
    except sqlite3.Error as error:
        raise _not_opened(path.name) from error
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)  # a computed column may say a gigabyte
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        try:
            connection.execute("BEGIN")
            sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        except sqlite3.OperationalError as error:
            raise _not_opened(path.name) from error
        except sqlite3.Error as error:
            raise _unread(path.name, error) from error
        if not sound:
            raise _damaged(path.name)
        legacy = LegacyDatabase(path.name, digest, size, connection, remarks)
        legacy.look_around()
        yield legacy
    finally:
        connection.close()


def _not_opened(name: str) -> LegacyFileError:
    message = (
        f"{name}: SQLite cannot open it; end the program that writes it, and copy it with its -wal and -shm files to a folder"
        " that you may write"
    )
    return LegacyFileError(message)


def _keeps_wal(path: Path) -> bool:
    """Return whether its header says that changes are written into a file beside it first (PRAGMA journal_mode = WAL)."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def _hash(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest(), path.stat().st_size
