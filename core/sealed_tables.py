"""Where tokens stand: the sealed columns of each table, and their images in the audit trail."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connection, models

from core.audit import audited_models
from core.crypto import EncryptedTextField, sealed_fields
from core.models import AuditEntry, KeyCheck

Row = tuple[Any, ...]
_IMAGES = ("old_values", "new_values")


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A token of a row: the SQL that reads it, its name for people, the column whose key sealed it."""

    expression: str
    name: str
    sealed_as: str


@dataclass(frozen=True, slots=True)
class SealedTable:
    """The rows of one table that hold tokens; `assignments` write v.t0, v.t1 ... in their places, and keep what is NULL there."""

    name: str
    key: str
    key_type: str
    condition: str
    columns: tuple[SealedColumn, ...]
    assignments: str
    is_audited: bool

    @property
    def selection(self) -> str:
        """The select list: the primary key, then each token."""
        return ", ".join([f'"{self.key}"', *(column.expression for column in self.columns)])


def sealed_tables() -> list[SealedTable]:
    """Return every table with a sealed column, each followed by its images; the key check is the guard's."""
    tables: list[SealedTable] = []
    for model, fields in groupby(sealed_fields(), key=lambda field: field.model):
        if model is not KeyCheck:
            own = list(fields)
            tables += [_rows(model, own), _images(model, own)]
    return tables


# reading and writing their tokens; a row is its primary key, then each token


def batches(table: SealedTable, size: int) -> Iterator[list[Row]]:
    """Yield the rows of a table by primary key; nothing is locked."""
    query = f'SELECT {table.selection} FROM "{table.name}" WHERE {table.condition}'  # noqa: S608 # nosec B608 # names of our own
    order = f'ORDER BY "{table.key}" LIMIT {size}'
    rows: list[Row] = []
    while True:
        with connection.cursor() as cursor:
            if rows:
                cursor.execute(f'{query} AND "{table.key}" > %s {order}', [rows[-1][0]])
            else:
                cursor.execute(f"{query} {order}")
            rows = cursor.fetchall()
        if rows:
            yield rows
        if len(rows) < size:
            return


def lock_rows(table: SealedTable, keys: list[Any]) -> list[Row]:
    """Return the rows of these keys, which nobody else changes until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT {table.selection} FROM "{table.name}" WHERE "{table.key}" = ANY(%s::{table.key_type}[])'  # noqa: S608 # nosec B608 # names of our own
            f' ORDER BY "{table.key}" FOR NO KEY UPDATE',
            [keys],
        )
        rows: list[Row] = cursor.fetchall()
    return rows


def write_tokens(table: SealedTable, rows: Sequence[Row]) -> None:
    """Write tokens in their places; where a row says None, what stands there stays."""
    names = ", ".join(["key", *(f"t{number}" for number in range(len(table.columns)))])
    arrays = ", ".join([f"%s::{table.key_type}[]", *("%s::text[]" for _ in table.columns)])
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{table.name}" r SET {table.assignments} FROM unnest({arrays}) AS v({names})'  # noqa: S608 # nosec B608 # names of our own
            f' WHERE r."{table.key}" = v.key',
            [[row[number] for row in rows] for number in range(len(table.columns) + 1)],
        )


@contextmanager
def unaudited(table: SealedTable) -> Iterator[None]:
    """Keep the audit trail's trigger off a table until the block ends; a transaction that dies inside puts it back, too."""
    if not table.is_audited:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table.name}" DISABLE TRIGGER audit_update')
        yield
        cursor.execute(f'ALTER TABLE "{table.name}" ENABLE TRIGGER audit_update')


# what they are made of


def _rows(model: type[models.Model], fields: Sequence[EncryptedTextField]) -> SealedTable:
    return SealedTable(
        name=model._meta.db_table,
        key=str(model._meta.pk.column),
        key_type=str(model._meta.pk.rel_db_type(connection)),
        condition="true",
        columns=tuple(SealedColumn(f'"{f.column}"', f.column_name, f.column_name) for f in fields),
        assignments=", ".join(f'"{f.column}" = COALESCE(v.t{n}, r."{f.column}")' for n, f in enumerate(fields)),
        is_audited=model in audited_models(),
    )


def _images(model: type[models.Model], fields: Sequence[EncryptedTextField]) -> SealedTable:
    """Return the audit trail's rows about a table. Of a column that its images hide they hold no token."""
    hidden = {*getattr(model, "audit_hides", ()), *getattr(model, "audit_ignores", ())}
    shown = [field for field in fields if field.column not in hidden]
    columns = [(image, field) for image in _IMAGES for field in shown]
    parts = {image: [f"'{f.column}', v.t{n}" for n, (of, f) in enumerate(columns) if of == image] for image in _IMAGES}
    return SealedTable(
        name=AuditEntry._meta.db_table,
        key=str(AuditEntry._meta.pk.column),
        key_type="bigint",
        condition=f"table_name = '{model._meta.db_table}'",
        columns=tuple(
            SealedColumn(f"{image}->>'{f.column}'", f"audit_trail.{image}.{f.column}", f.column_name)
            for image, f in columns
        ),
        assignments=", ".join(
            f"{image} = r.{image} || jsonb_strip_nulls(jsonb_build_object({', '.join(of_image)}))"
            for image, of_image in parts.items()
        ),
        is_audited=False,
    )
