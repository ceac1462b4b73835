"""A database of a test's own, filled by one import, that backups are made of and restored over."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from core.backups.errors import BackupError
from core.backups.facts import Facts, read_facts
from core.database_roles import as_owner_of
from core.state import state_hash
from tests.faults.world import empty_registry
from tests.kept_import import KEPT
from tests.own_databases import connected_to, copy_test_database, databases
from tests.world import RAW, run_import


def fill_pristine() -> str:
    """Return the name of a new database with the rows of one import, like the one the tests are connected to."""
    pristine = copy_test_database("_pristine")
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
