"""The server as a backup sees it: one at a time, scratch databases beside the live one, and who is at work in that.

Everything here works on the maintenance database, as the owner: the live one may be gone.
"""

import re
import secrets
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from psycopg import sql

from core.advisory_locks import LockTakenError, advisory_lock
from core.backups.errors import BackupError
from core.database_errors import is_away, kind_of, sqlstate_of
from core.database_roles import as_owner_of
from core.embedded_backend.base import embedded_server
from core.embedded_postgres import ensure_role
from core.errors import ExitCode, ExplainedError

MAINTENANCE = "postgres"
_LOCK = 0x47565242 << 32  # "GVRB", then the database's name
_LOOKS, _BETWEEN_LOOKS_S = 3, 0.3
_LONGEST_NAME = 63  # bytes, PostgreSQL's limit
_REMEDIES = {
    "42501": "the owner role lacks rights: as a superuser, run what deploy/roles.sql says of it (CREATEDB, pg_signal_backend)",
    "53100": "the disk of the server is full",
    "3D000": "the database does not exist: make it with deploy/roles.sql, or restore a backup",
    "28P01": "the password was refused: see DATABASE_OWNER_URL",
    "28000": "the owner role may not log in: see deploy/roles.sql",
}
# whoever holds one does something that a swap must not tear: an import, a rotation of keys
_AT_WORK = """
SELECT coalesce(max(application_name), '') FROM pg_locks l JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND l.database = (SELECT oid FROM pg_database WHERE datname = %s)
HAVING count(*) > 0
"""


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turn what the database, or the disk about this place, says in the block into a BackupError of one line."""
    try:
        yield
    except (DatabaseError, InterfaceError, psycopg.Error) as error:
        if isinstance(error.__cause__, ExplainedError):  # of the embedded server
            raise BackupError(str(error.__cause__)) from None
        state = sqlstate_of(error)
        hint = _REMEDIES.get(state) or (
            "does it run, was deploy/roles.sql run there, is DATABASE_OWNER_URL right?"
            if is_away(error)
            else "mend that, and run it again"
        )
        message = f"the database failed ({kind_of(error)}): {hint}"
        raise BackupError(message, returncode=ExitCode.INTERRUPTED if is_away(error) else ExitCode.FAILURE) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BackupError(f"{place}: {why}: make room there, or mend its rights; nothing was changed") from None


@contextmanager
def only_one(live: str) -> Iterator[None]:
    """Let the default connection be the owner's on the maintenance database, and nobody else back up or restore this one.

    Scratch databases of dead runs are dropped. Raises BackupError, exit code 3, where somebody is at it.
    """
    with as_owner_of(MAINTENANCE):
        try:
            with advisory_lock(_LOCK | zlib.crc32(live.encode()), name="backup"):
                for name in _left_scratch(live):
                    drop(name)
                yield
        except LockTakenError as error:
            message = f"another backup or restore is at work {error}; wait for it to end"
            raise BackupError(message, returncode=ExitCode.LOCK_HELD) from None


@contextmanager
def scratch_database(live: str, *, locale: Sequence[str]) -> Iterator[str]:
    """Give the name of a new database that only its owner enters; it is gone after the block unless it got another name."""
    name = _scratch_name(live, secrets.token_hex(4))
    try:
        _create(name, locale)
        run("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", name)
        yield name
    finally:
        if exists(name):
            drop(name)


def exists(database: str) -> bool:
    """Return whether the server has a database of this name."""
    return bool(ask("SELECT 1 FROM pg_database WHERE datname = %s", database))


def drop(database: str) -> None:
    """Drop a database, whoever is connected to it."""
    run("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


def server_version() -> tuple[int, str]:
    """Return the server's major version, and all of it in words."""
    (number,) = ask("SELECT current_setting('server_version_num')::int / 10000")[0]
    (words,) = ask("SELECT current_setting('server_version')")[0]
    return int(number), str(words)


def refuse_missing_roles() -> None:
    """Raise BackupError where the application role is missing; on the embedded server it is made."""
    role: str = settings.DATABASE_APPLICATION_ROLE
    if "EMBEDDED_DATA_DIR" in connection.settings_dict:
        ensure_role(embedded_server(connection.settings_dict), role)
    elif not ask("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
        raise BackupError(f"the server has no role {role}: as a superuser, run deploy/roles.sql there first")


def refuse_beside_work(live: str) -> None:
    """Raise BackupError, exit code 3, while an import or a rotation of keys is at work in the live database."""
    for _ in range(_LOOKS):
        at_work = ask(_AT_WORK, live)
        if not at_work:
            return
        time.sleep(_BETWEEN_LOOKS_S)  # some are held for an instant only
    ((name,),) = at_work
    who = f" ({name})" if name else ""
    message = f"an import or a rotation of keys is at work in {live}{who}; wait for it to end"
    raise BackupError(message, returncode=ExitCode.LOCK_HELD)


def parameters_for(database: str) -> dict[str, Any]:
    """Return the owner's connection parameters for a database that exists."""
    with as_owner_of(database):
        parameters: dict[str, Any] = connection.get_connection_params()
    return parameters


def ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the maintenance database."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def run(statement: str, *names: str) -> None:
    """Run a statement with names in its {}."""
    composed = sql.SQL(statement).format(*map(sql.Identifier, names))
    with connection.cursor() as cursor:
        cursor.execute(composed.as_string())


def beside(live: str, ending: str) -> str:
    """Return the name of a database beside the live one: that name, shortened where it is too long, and an ending."""
    room = _LONGEST_NAME - len(ending.encode())
    return live.encode()[:room].decode(errors="ignore") + ending


def _scratch_name(live: str, draw: str) -> str:
    """Return a scratch database's name, which says whose it is even where that name was shortened."""
    return beside(live, f"_scratch_{zlib.crc32(live.encode()):08x}_{draw}")


def _left_scratch(live: str) -> list[str]:
    """Return the scratch databases of dead runs; one that only begins like them is somebody's own."""
    prefix = _scratch_name(live, "x" * 8)[:-8]
    found = ask("SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1", prefix)
    return [name for (name,) in found if re.fullmatch(r"[0-9a-f]{8}", name.removeprefix(prefix))]


def _create(name: str, locale: Sequence[str]) -> None:
    plain = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
    known = sql.SQL(" LC_COLLATE {} LC_CTYPE {}").format(*map(sql.Literal, locale)) if locale else sql.SQL("")
    with connection.cursor() as cursor:
        try:
            cursor.execute((plain + known).as_string())
        except DatabaseError as error:
            if sqlstate_of(error) not in {"42809", "22023"} or not locale:  # this machine does not know the locale
                raise
            cursor.execute(plain.as_string())
