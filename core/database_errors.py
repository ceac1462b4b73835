"""What a database error is, without the text of PostgreSQL: that may quote values."""

from collections.abc import Mapping

import psycopg
from django.db import InterfaceError, OperationalError

# What the driver or the server says where no connection comes about, in lower case -> what a message says of it. Such errors
# carry no SQLSTATE, and their text names host, database and role. A server that speaks another language leaves the class alone.
_NO_CONNECTION: Mapping[tuple[str, ...], str] = {
    ('database "', "does not exist"): "there is no such database",
    ('role "', "does not exist"): "there is no such role",
    ("authentication failed",): "the role or its password is refused",
    ("no password supplied",): "it wants a password",
    ("no pg_hba.conf entry",): "pg_hba.conf lets nobody in this way",
    ("permission denied for database",): "the role may not connect",
    ("too many",): "no connection is free",
    ("remaining connection slots",): "no connection is free",
    ("connection refused",): "nothing listens there",
    ("failed: no such file or directory",): "nothing listens there",
    ("resolve host",): "nobody knows its host",
    ("certificate",): "its certificate is refused",
    ("ssl",): "TLS fails",
    ("starting up",): "it is starting",
    ("shutting down",): "it is stopping",
    ("timeout expired",): "no answer in time",
    ("couldn't get a connection",): "no connection in time; health_check, or the log of the server, says why",
}


def sqlstate_of(error: BaseException) -> str:
    """Return the five characters by which PostgreSQL names an error, or "" where it named none.

    Source: https://www.postgresql.org/docs/16/errcodes-appendix.html.
    """
    return getattr(error.__cause__, "sqlstate", None) or getattr(error, "sqlstate", None) or ""


def is_away(error: BaseException) -> bool:
    """Return whether the server was not reached, or left: no SQLSTATE, class 08, or a shutdown of class 57."""
    lost = OperationalError | InterfaceError | psycopg.OperationalError
    state = sqlstate_of(error)
    return isinstance(error, lost) and (not state or state.startswith(("08", "57P")))


def kind_of(error: BaseException) -> str:
    """Return what a message may say of an error: the driver's class and the SQLSTATE, or why there is no connection."""
    state = sqlstate_of(error)
    cause = error.__cause__ or error
    more = f", SQLSTATE {state}" if state else _why_no_connection(str(cause).lower())
    return f"{type(cause).__name__}{more}"


def _why_no_connection(text: str) -> str:
    for parts, why in _NO_CONNECTION.items():
        if all(part in text for part in parts):
            return f": {why}"
    return ""
