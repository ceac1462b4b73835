"""Two databases change names in one transaction: a kill leaves the old names or the new ones, and never neither."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Thread

import psycopg
from django.conf import settings
from django.db import DatabaseError, transaction

from core.backups.errors import BackupError
from core.backups.server import MAINTENANCE, ask, beside, exists, parameters_for, run
from core.database_errors import sqlstate_of
from core.interruptions import hear_no_more

_IN_USE = "55006"
_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> pg_backend_pid()"
_PRIVILEGES = """
SELECT rolname, privilege_type FROM pg_database CROSS JOIN LATERAL aclexplode(datacl) acl JOIN pg_roles r ON r.oid = acl.grantee
WHERE datname = %s AND grantee <> datdba AND privilege_type IN ('CONNECT', 'TEMPORARY')
"""


def swap_in(database: str, *, live: str) -> str | None:
    """Return the name under which the live database stays, None where there was none; the other one has its name now.

    What stays is its owner's alone: of a place that turns confidential later, it goes on telling where that is.
    Sessions in either are ended, and new ones wait until it is done. Raises BackupError where one cannot be ended.
    """
    kept = _free_name(live) if exists(live) else None
    hear_no_more()
    try:
        with _ending_sessions([live, database]), transaction.atomic():
            _grant_entrance(database, live=live)
            if kept:
                run("ALTER DATABASE {} RENAME TO {}", live, kept)
                _close_entrance(kept)
            run("ALTER DATABASE {} RENAME TO {}", database, live)
    except DatabaseError as error:
        if sqlstate_of(error) != _IN_USE:
            raise
        raise BackupError(
            f"somebody is connected to {live} whom the owner role may not disconnect: GRANT pg_signal_backend to it"
            " (deploy/roles.sql), or end the sessions of superusers; nothing was changed"
        ) from None
    return kept


def _grant_entrance(database: str, *, live: str) -> None:
    """Let those enter a database who may enter the live one, our roles in any case, and nobody else."""
    run("REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    granted = {(str(name), str(right)) for name, right in ask(_PRIVILEGES, live)}
    granted |= {(settings.DATABASE_APPLICATION_ROLE, right) for right in ("CONNECT", "TEMPORARY")}
    # a server may lack the reader
    reader = ask("SELECT rolname FROM pg_roles WHERE rolname = %s", settings.DATABASE_READER_ROLE)
    granted |= {(str(name), "CONNECT") for (name,) in reader}
    for name, right in sorted(granted):
        run(f"GRANT {right} ON DATABASE {{}} TO {{}}", database, name)


def _close_entrance(database: str) -> None:
    run("REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    for name in sorted({str(name) for name, _ in ask(_PRIVILEGES, database)}):
        run("REVOKE ALL ON DATABASE {} FROM {}", database, name)


def was_kept(name: str, *, live: str) -> bool:
    """Return whether there is a database of this name that swap_in() gave it."""
    match = re.fullmatch(r".*(_before_\d{8}t\d{6}z(?:_\d+)?)", name)
    return match is not None and name == beside(live, match[1]) and exists(name)


def _free_name(live: str) -> str:
    stem = f"_before_{datetime.now(UTC):%Y%m%dt%H%M%Sz}"
    names = (beside(live, f"{stem}{ending}") for ending in ("", *(f"_{number}" for number in range(2, 100))))
    return next(name for name in names if not exists(name))


@contextmanager
def _ending_sessions(databases: Sequence[str]) -> Iterator[None]:
    """End sessions in these databases again and again until the block ends: a pool that lost one opens another at once.

    ALTER DATABASE holds new ones back and waits five seconds for the others to end, so they are ended from beside it.
    """
    is_over = Event()
    with psycopg.connect(**parameters_for(MAINTENANCE) | {"autocommit": True}) as other:

        def end_them() -> None:
            while not is_over.is_set():
                with suppress(psycopg.Error):  # the swap itself says what is wrong
                    for (pid,) in other.execute(_SESSIONS, [list(databases)]).fetchall():
                        with suppress(psycopg.errors.InsufficientPrivilege):
                            other.execute("SELECT pg_terminate_backend(%s)", [pid])
                is_over.wait(0.05)

        thread = Thread(target=end_them, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
