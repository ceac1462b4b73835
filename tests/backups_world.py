"""A database of a test's own, filled by one import, that backups are made of and restored over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from core.backups.errors import BackupError
from core.backups.facts import Facts, read_facts
from core.database_roles import as_owner_of, disconnect
from core.state import state_hash
from tests.faults.world import empty_registry
from tests.kept_import import KEPT
from tests.world import RAW, run_import


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


def fill_pristine() -> str:
    """Return the name of a new database with the rows of one import, like the one the tests are connected to."""
    test_database = str(connection.settings_dict["NAME"])
    pristine = f"{test_database}_pristine"
    disconnect()
    drop_all(pristine)
    on_server("CREATE DATABASE {} TEMPLATE {}", pristine, test_database)
    with connected_to(pristine):
        empty_registry()  # a test may have committed something
        with as_owner_of(pristine), connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {KEPT} CASCADE")
        run_import(RAW)
    return pristine


def change_something() -> str:
    """Return the state hash of the registry after a change that a restore has to undo."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE facilities SET town = 'Elsewhere' WHERE NOT is_confidential")
    return state_hash()


def leftovers(live: str, folder: Path) -> list[str]:
    """Return what a command that failed should not have left: databases beside the live one, unproven files."""
    files = [path.name for path in folder.iterdir() if path.name != ".lock"] if folder.is_dir() else []
    return [name for name in databases() if name.startswith(live) and name != live] + files


def refusal(*arguments: object) -> BackupError:
    """Return the error by which a command about backups refuses: one line."""
    with pytest.raises(BackupError) as refused:
        call_command(*map(str, arguments))
    assert len(str(refused.value).splitlines()) == 1
    return refused.value


def facts() -> Facts:
    with as_owner_of(str(connection.settings_dict["NAME"])):
        return read_facts()
