"""The key guard: keys that are not those of the database stop whoever comes with them before a row is touched.

The owner writes a known text into the table key_checks, sealed and indexed, after the first migration. The first connection
of each process reads it, and each run does (core/apps.py, core/wsgi.py, `runserver`, etl/pipeline.py).
"""

from collections.abc import Iterator
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from core.crypto import Unreadable, blind_index, decrypt, encrypt, key_of, sealed_fields
from core.database_errors import kind_of
from core.database_roles import disconnect
from core.models import KeyCheck

log = structlog.get_logger(__name__)
_KNOWN_TEXT = "these keys fit"
_COLUMN = "key_checks.known_text"
_SAMPLE = 20  # values from each end of each column
_REMEDY = "set the keys that it was written with (see .env.example)"
_FIELD_KEYS_WRONG = f"FIELD_KEYS cannot open what this database holds: {_REMEDY}"
_INDEX_KEY_WRONG = "INDEX_KEY is not the one that this database was written with: set that one (see .env.example)"
_FIELD_KEYS_LACK_ONE = (
    "FIELD_KEYS lacks a key that this database holds values under:"
    " set the old and the new one, newest first, until `manage.py rotate_keys` is done (see .env.example)"
)
_fitting: set[tuple[object, ...]] = set()


class KeysDoNotFitError(CommandError, ImproperlyConfigured):
    """The keys at hand are not those that the database was written with; Django prints one line for either of its bases."""


def guard_connection(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Close a new connection again where the keys do not fit; looked at once per process, database and keys."""
    address = (connection.settings_dict.get(name) for name in ("EMBEDDED_DATA_DIR", "HOST", "PORT", "NAME"))
    known = (*address, settings.FIELD_KEYS, settings.INDEX_KEY)
    if connection.alias != DEFAULT_DB_ALIAS or known in _fitting:
        return
    try:
        if check_keys():
            _fitting.add(known)
    except BaseException:  # Ctrl-C, too
        connection.close()  # or it would serve whoever tries again
        raise


def check_at_start() -> None:
    """Raise KeysDoNotFitError before a server serves; a database that is away is looked at when it is back."""
    if connection.connection is not None:
        return  # guarded when it was opened, and in use
    try:
        connection.ensure_connection()
    except (OperationalError, InterfaceError) as error:
        log.warning("database away at the start", code="database-away", reason=kind_of(error))
    finally:
        disconnect()  # a server may fork after this


def check_keys() -> bool:
    """Return whether the database says which keys fit; raises KeysDoNotFitError where these do not.

    One that does not say so yet is judged by what is sealed in it: a new one passes, an older one under other keys does not.
    """
    rows = list(KeyCheck.objects.all()) if _has_table() else []
    if not rows:
        _keys_in_use()
        return False
    are_open = [not isinstance(row.known_text, Unreadable) for row in rows]
    if not all(are_open):
        raise KeysDoNotFitError(_FIELD_KEYS_LACK_ONE if any(are_open) else _FIELD_KEYS_WRONG)
    if any(row.text_index != _index() for row in rows):
        raise KeysDoNotFitError(_INDEX_KEY_WRONG)
    return True


# what the owner writes


def install_key_check(*, using: str, **_: Any) -> None:
    """Write down which keys fit, where nothing says so yet; called after every migration, by the owner."""
    if using == DEFAULT_DB_ALIAS and _has_table() and not check_keys():
        rows = [_row(number, key=key) for number, key in enumerate(sorted(_keys_in_use()), start=1)]
        KeyCheck.objects.bulk_create(rows, ignore_conflicts=True)  # another `migrate` may be as far


def begin_rotation() -> None:
    """Demand the newest key, too, from whoever connects: values are about to stand under it."""
    install_key_check(using=DEFAULT_DB_ALIAS)
    keys = {row.pk: _key_of(row) for row in KeyCheck.objects.all()}
    if 0 not in keys.values():
        _row(max(keys, default=0) + 1, key=0).save(force_insert=True)


def end_rotation() -> int:
    """Return how many older keys are not demanded any more: no value stands under one."""
    return KeyCheck.objects.filter(pk__in=rows_under_older_keys()).delete()[0]


def rows_under_older_keys() -> list[int]:
    """Return the rows that still demand an older key."""
    return [row.pk for row in KeyCheck.objects.all() if _key_of(row) != 0]


def _row(number: int, *, key: int) -> KeyCheck:
    sealed = decrypt(encrypt(_KNOWN_TEXT, column=_COLUMN, key=key), column=_COLUMN)  # it keeps its token
    return KeyCheck(key_check_id=number, known_text=sealed, text_index=_index())


def _key_of(row: KeyCheck) -> int | None:
    return key_of(row.known_text.token, column=_COLUMN)


def _index() -> str:
    return blind_index(_KNOWN_TEXT, purpose=_COLUMN)


# a database that does not say which keys fit


def _has_table() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('key_checks') IS NOT NULL")
        (there,) = cursor.fetchone() or (False,)
    return bool(there)


def _keys_in_use() -> set[int]:
    """Return which of FIELD_KEYS (0 is the newest) open a sample of what is sealed; the newest where nothing is.

    A few values may be damaged; raises KeysDoNotFitError where most do not open, or were indexed under another INDEX_KEY.
    """
    with connection.cursor() as cursor:
        samples = list(_samples(cursor))
    keys = [key_of(token, column=column) for column, token, _ in samples]
    if not _mostly([key is not None for key in keys]):
        raise KeysDoNotFitError(_FIELD_KEYS_WRONG)
    indexed = [(column, decrypt(token, column=column), index) for column, token, index in samples if index]
    if not _mostly(
        [blind_index(value, purpose=column) == index for column, value, index in indexed if value.is_readable]
    ):
        raise KeysDoNotFitError(_INDEX_KEY_WRONG)
    return {key for key in keys if key is not None} or {0}


def _mostly(claims: list[bool]) -> bool:
    return 2 * sum(claims) >= len(claims)


def _samples(cursor: Any) -> Iterator[tuple[str, str, str | None]]:
    """Yield column, token and blind index (None where there is none) of the first and last values of each sealed column."""
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    present = set(cursor.fetchall())
    for field in sealed_fields():
        meta = field.model._meta  # noqa: SLF001 - documented API
        index = getattr(field.model, "blind_indexes", {}).get(field.column)
        if not {(meta.db_table, column) for column in (field.column, index) if column} <= present:
            continue  # not migrated yet
        for order in ("ASC", "DESC"):
            cursor.execute(
                f'SELECT "{field.column}", {index or "NULL"} FROM "{meta.db_table}" WHERE "{field.column}" <> \'\''  # noqa: S608 # nosec B608 # names of our own
                f' ORDER BY "{meta.pk.column}" {order} LIMIT {_SAMPLE}'
            )
            yield from ((field.column_name, *row) for row in cursor.fetchall())
