"""What the tests with a database share: reference data loaded once, a folder of the seven files, the command."""

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from core.database_roles import as_owner
from tests.kept_import import import_and_keep, put_back
from tests.sampling import leave_to_make_faults
from tests.world import RAW, SOURCE_NAMES, write_small_delivery


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    leave_to_make_faults(items)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database is made, and taken away, by its owner; see django_db_setup for the tests between."""
    with as_owner():
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Geography and lookups stand in the test database before the first test; each test's own rows are rolled back.

    The code under test works as the application role.
    """
    assert connection.settings_dict["NAME"].startswith("test_"), (
        "no test asked for a database: the tests would work on the real one"
    )
    with django_db_blocker.unblock(), as_application():
        call_command("load_geography", stdout=io.StringIO())
    with as_application():
        yield


@contextmanager
def as_application() -> Iterator[None]:
    owner = dict(connection.settings_dict["OPTIONS"])
    _connect_with(owner | {"assume_role": settings.DATABASE_APPLICATION_ROLE})
    try:
        yield
    finally:
        _connect_with(owner)


def _connect_with(options: dict[str, Any]) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"] = options


@pytest.fixture
def whole_data_dir(tmp_path: Path) -> Path:
    """Return a folder of the test's own with the seven files of data/raw."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in SOURCE_NAMES:
        shutil.copy(RAW / f"{name}.json", folder)
    return folder


@pytest.fixture
def data_dir(whole_data_dir: Path) -> Path:
    """Return that folder; modules for which a part of it is enough take small_data_dir."""
    return whole_data_dir


@pytest.fixture
def small_data_dir(tmp_path: Path) -> Path:
    """Return a folder of the test's own with the seven files, of each the first few records only."""
    folder = tmp_path / "raw"
    write_small_delivery(folder)
    return folder


@pytest.fixture(scope="session")
def imported_once(django_db_setup: None, django_db_blocker: Any) -> dict[str, Any]:
    """Return the summary of an import of data/raw into an empty registry, whose rows are kept aside."""
    with django_db_blocker.unblock():
        return import_and_keep()


@pytest.fixture
def imported(db: None, imported_once: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of an import of data/raw; its rows stand in the registry, which holds nothing else."""
    put_back()
    return deepcopy(imported_once)


@pytest.fixture
def run_command(db: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs import_facilities and returns its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            call_command("import_facilities", *map(str, arguments))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
