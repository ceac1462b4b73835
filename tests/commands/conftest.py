"""A machine of production that several files of tests share: a migrated database with the roles of deploy/roles.sql."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from core.embedded_postgres import Server, stop
from tests.production import ROOT, environment, on, start_postgres


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("machine") / "postgres"
    server = start_postgres(place)
    command = [sys.executable, "manage.py", "migrate"]
    subprocess.run(command, cwd=ROOT, env=environment(on(server)), check=True, capture_output=True)
    yield server
    stop(place)
