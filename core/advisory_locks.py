"""Advisory locks that die with their holder; each lives on a connection of its own: a pooled one would keep it after close()."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg
from django.db import connection

_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_LONGEST_APPLICATION_NAME = 63  # bytes, PostgreSQL's limit


# the lock of one bigint key, which pg_locks shows in halves
_HELD = (
    "locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_IS_HELD = f"SELECT EXISTS (SELECT FROM pg_locks WHERE {_HELD})"  # noqa: S608 # nosec B608 # a constant
_SESSION = "SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)"
_HOLDER = f"{_SESSION} WHERE {_HELD}"


class LockTakenError(Exception):
    """Somebody else holds the lock; the text says who: "on HOST, pid N, since ..."."""


@contextmanager
def advisory_lock(number: int, *, name: str) -> Iterator[None]:
    """Hold an advisory lock of the default database; raises LockTakenError at once where somebody else does.

    `name` is one word: it tells the lock's sessions from others.
    """
    with _connect(name) as holder:
        (is_ours,) = holder.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone() or (False,)
        if not is_ours:
            raise LockTakenError(_describe_holder(holder, number, name))
        try:
            yield
        finally:
            with suppress(psycopg.Error):  # closing frees it too, but only once the server has noticed
                holder.execute("SELECT pg_advisory_unlock(%s)", [number])


def is_taken(number: int) -> bool:
    """Return whether anybody holds an advisory lock of the default database."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_HELD, _halves(number))
        (is_held,) = cursor.fetchone() or (False,)
    return bool(is_held)


def taken_since(number: int) -> datetime | None:
    """Return when the session began that holds an advisory lock; None where nobody does, or its role is hidden from ours."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDER, _halves(number))
        (_, since) = cursor.fetchone() or (None, None)
    return since if isinstance(since, datetime) else None


def _halves(number: int) -> list[int]:
    return [number >> 32, number & 0xFFFFFFFF]


@contextmanager
def _connect(name: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    parameters = connection.get_connection_params() | _KEEPALIVE
    session = f"{parameters.get('application_name', 'gvrc')} {name} {os.getpid()} {socket.gethostname()}"
    parameters["application_name"] = session[:_LONGEST_APPLICATION_NAME]
    parameters["autocommit"] = True
    with connection.wrap_database_errors:
        holder = psycopg.connect(**parameters)
    try:
        with connection.wrap_database_errors:
            yield holder
    finally:
        holder.close()  # frees the lock


def _describe_holder(asking: "psycopg.Connection[tuple[object, ...]]", number: int, name: str) -> str:
    row = asking.execute(_HOLDER, _halves(number)).fetchone()
    _, _, holder = str(row[0] if row else "").partition(f" {name} ")
    pid, _, host = holder.partition(" ")
    # when a session of another role began is hidden: of the owner, who migrates a legacy database or rotates keys
    since = f", since {row[1]:%Y-%m-%d %H:%M:%S %Z}" if row and row[1] else ""
    return f"on {host or '?'}, pid {pid or '?'}{since}"
