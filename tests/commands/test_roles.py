"""deploy/roles.sql on a server of its own: the owner migrates, the application imports and cannot touch the trail."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.embedded_postgres import Server, bin_dir, ensure_running, stop, url

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("roles") / "postgres"
    yield ensure_running(place)
    stop(place)


def manage(server: Server, *arguments: str, owner: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as production would: on URLs, here without a password."""
    address = url(server, "gvrc_admin")
    urls = {"DATABASE_URL": address.replace("//postgres@", "//gvrc_app@")}
    if owner:
        urls["DATABASE_OWNER_URL"] = address.replace("//postgres@", "//gvrc_owner@")
    environment = os.environ | urls | {"DJANGO_SETTINGS_MODULE": "core.settings.test"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(server: Server) -> Server:
    psql = [str(bin_dir() / "psql"), "-v", "ON_ERROR_STOP=1", "-d", url(server, "postgres"), "-f", "deploy/roles.sql"]
    subprocess.run(psql, cwd=ROOT, check=True, capture_output=True)
    for command in ("migrate", "load_geography"):
        done = manage(server, command)
        assert done.returncode == 0, done.stderr
    return server


def test_the_application_role_imports_and_the_trail_is_its_own(installed: Server) -> None:
    done = manage(installed, "import_facilities", owner=False)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(url(installed, "gvrc_admin").replace("//postgres@", "//gvrc_app@")) as application:
        (count,) = application.execute("SELECT count(*) FROM audit_trail WHERE session_id = 'run:1'").fetchone() or (0,)
        assert count > 200
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM audit_trail")


def test_the_application_role_alone_cannot_migrate(installed: Server) -> None:
    refused = manage(installed, "migrate", "core", "zero", owner=False)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_one_role_for_everything_is_warned_of(installed: Server) -> None:
    address = url(installed, "gvrc_admin").replace("//postgres@", "//gvrc_owner@")
    environment = os.environ | {"DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "core.settings.test"}
    command = [sys.executable, "manage.py", "migrate"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "roles-not-apart" in done.stderr
