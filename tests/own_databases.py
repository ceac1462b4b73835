"""Databases of a test's own, beside that of all tests on the same server: everything commits in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from core.database_roles import as_owner_of, disconnect


@contextmanager
def connected_to(database: str) -> Iterator[None]:
    """Let the default connection be to another database of the tests' server until the block ends."""
    before = connection.settings_dict["NAME"]
    disconnect()
    connection.settings_dict["NAME"] = database
    try:
        yield
    finally:
        disconnect()
        connection.settings_dict["NAME"] = before


def on_server(statement: str, *names: str) -> list[tuple[Any, ...]]:
    """Return what a statement of the server's superuser answers; its {} are names of databases."""
    with as_owner_of("postgres"):
        parameters = connection.get_connection_params() | {"autocommit": True}
    with psycopg.connect(**parameters) as superuser:
        cursor = superuser.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return cursor.fetchall() if cursor.description else []


def databases() -> list[str]:
    return [name for (name,) in on_server("SELECT datname FROM pg_database ORDER BY 1")]


def drop_all(beginning: str) -> None:
    for name in databases():
        if name.startswith(beginning):
            on_server("DROP DATABASE {} WITH (FORCE)", name)


def copy_test_database(ending: str) -> str:
    """Return the name of a copy of the database that the tests are connected to; one of an earlier run is gone."""
    test_database = str(connection.settings_dict["NAME"])
    copy = f"{test_database}{ending}"
    disconnect()
    drop_all(copy)
    on_server("CREATE DATABASE {} TEMPLATE {}", copy, test_database)
    return copy
