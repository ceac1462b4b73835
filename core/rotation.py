"""Key rotation: every sealed value, in its column and in the audit trail's images, under the newest of FIELD_KEYS.

The owner works in batches, each one transaction: killed at any point, the next rotation goes on. No audit row is written
and no time stamp moves. A value that no key opens is left exactly as it is, and named.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import stamina
from django.core.management import CommandError
from django.db import OperationalError, connection, transaction

from core.advisory_locks import LockTakenError, advisory_lock
from core.crypto import decrypt, encrypt, key_of
from core.database_errors import sqlstate_of
from core.database_roles import as_owner
from core.key_guard import begin_rotation, end_rotation, rows_under_older_keys
from core.sealed_tables import Row, SealedTable, batches, lock_rows, sealed_tables, unaudited, write_tokens

BATCH = 500  # rows
_LOCK = 0x47565252  # "GVRR"
_MOST_PASSES = 10
_MOST_NAMED = 1000  # unreadable values; the others are only counted
_LOCK_WAIT = "2s"  # who writes to the table queues behind a lock that is waited for
_PATIENCE_S = 300.0
_IN_THE_WAY = ("55P03", "40P01", "40001")  # lock_timeout, deadlock, serialization failure

Progress = Callable[[str], object]


class RotationError(CommandError):
    """A rotation cannot begin or go on; the message is one line with the way out."""


@dataclass(slots=True)
class Tally:
    """How many values stand under which key; `unreadable_at` names table, column and primary key of the first thousand."""

    re_encrypted: int = 0
    under_old_key: int = 0
    unreadable: int = 0
    unreadable_at: list[dict[str, Any]] = field(default_factory=list)

    @property
    def remedy(self) -> str:
        """What a person has to do, in one line; "" where nothing is left."""
        if self.under_old_key:
            return (
                f"values under an old key: {self.under_old_key}; run `manage.py rotate_keys` before you drop that key"
            )
        if self.unreadable:
            return (
                f"values that no key of FIELD_KEYS opens: {self.unreadable}; they stay as they are:"
                " add the key that they were sealed with, or mend them from a backup"
            )
        return ""


def rotate_keys(*, batch_size: int = BATCH, progress: Progress = lambda _: None) -> Tally:
    """Return what is left under which key once nothing is under an old one, or ten passes were made.

    Whoever works meanwhile may write back an old token that a form or a batch held: the next pass finds it. Raises
    RotationError without the owner's rights, beside another rotation, or where a lock is not had in five minutes.
    """
    tables = sealed_tables()
    with as_owner():
        _check_ownership(tables)
        with _only_one():
            begin_rotation()
            re_encrypted = 0
            for _ in range(_MOST_PASSES):
                re_encrypted += sum(_renew(table, batch_size, progress) for table in tables)
                tally = _count(tables, batch_size, progress)
                if not tally.under_old_key:
                    re_encrypted += end_rotation()
                    break
            tally.re_encrypted = re_encrypted
            return tally


def count_keys(*, batch_size: int = BATCH, progress: Progress = lambda _: None) -> Tally:
    """Return how many values stand under which key, what the key guard demands among them; nothing is written."""
    tally = _count(sealed_tables(), batch_size, progress)
    tally.under_old_key += len(rows_under_older_keys())
    return tally


def _check_ownership(tables: Sequence[SealedTable]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_class WHERE oid = ANY(%s::regclass[]) AND NOT pg_has_role(relowner, 'USAGE')",
            [sorted({table.name for table in tables} | {"key_checks"})],
        )
        if cursor.rowcount:
            raise RotationError(
                "rotate_keys works as the owner of the tables: set DATABASE_OWNER_URL (see .env.example)"
            )


@contextmanager
def _only_one() -> Iterator[None]:
    try:
        with advisory_lock(_LOCK, name="rotation"):
            yield
    except LockTakenError as error:
        raise RotationError(f"another rotation is at work {error}; wait for it to end") from error


def _count(tables: Sequence[SealedTable], batch_size: int, progress: Progress) -> Tally:
    tally = Tally()
    for table in tables:
        for number, rows in enumerate(batches(table, batch_size)):
            progress(f"counting {table.name}: {number * batch_size} rows")
            for row in rows:
                _note(row, table, tally)
    return tally


def _note(row: Row, table: SealedTable, tally: Tally) -> None:
    for column, token in zip(table.columns, row[1:], strict=True):
        key = key_of(token, column=column.sealed_as)
        if key is None:
            tally.unreadable += 1
            if tally.unreadable <= _MOST_NAMED:
                where, _, name = column.name.partition(".")
                tally.unreadable_at.append({"table": where, "column": name, "key": row[0]})
        elif key > 0:
            tally.under_old_key += 1


def _renew(table: SealedTable, batch_size: int, progress: Progress) -> int:
    """Return how many values of a table were sealed anew."""
    count = 0
    for number, rows in enumerate(batches(table, batch_size)):
        progress(f"re-encrypting {table.name}: {number * batch_size} rows")
        if old := [row[0] for row in rows if _holds_old(row, table)]:
            count += _with_patience(partial(_renew_rows, table, old))
    return count


def _holds_old(row: Row, table: SealedTable) -> bool:
    return any(key_of(token, column=column.sealed_as) for column, token in zip(table.columns, row[1:], strict=True))


def _renew_rows(table: SealedTable, keys: list[Any]) -> int:
    """Return how many values of these rows were sealed anew, in one transaction beside which nobody writes the rows."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
        with unaudited(table):
            new = [_renewed_row(row, table) for row in lock_rows(table, keys)]
            write_tokens(table, new)
    return sum(token is not None for row in new for token in row[1:])


def _renewed_row(row: Row, table: SealedTable) -> Row:
    return row[0], *(_renewed(token, column.sealed_as) for column, token in zip(table.columns, row[1:], strict=True))


def _renewed(token: str | None, column: str) -> str | None:
    """Return a token of the same value under the newest key; None where that one opens it, or none does."""
    if not token or not key_of(token, column=column):
        return None
    return encrypt(str(decrypt(token, column=column)), column=column)


def _with_patience[T](work: Callable[[], T]) -> T:
    """Return what a transaction returns, tried again for a while as long as somebody else is in its way."""
    try:
        for attempt in stamina.retry_context(
            on=_is_in_the_way, attempts=None, timeout=_PATIENCE_S, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                return work()
    except OperationalError as error:
        if not _is_in_the_way(error):
            raise
        message = (
            f"a table was locked by somebody else for {_PATIENCE_S:.0f} s (a dry run?): run rotate_keys again after it"
        )
        raise RotationError(message) from error
    raise AssertionError  # the last attempt returned or raised


def _is_in_the_way(error: Exception) -> bool:
    return sqlstate_of(error) in _IN_THE_WAY
