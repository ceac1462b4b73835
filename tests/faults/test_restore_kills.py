"""A restore that is killed at any statement leaves the live database as it was, or replaced; the next one works and tidies up."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from django.db import connection

from core.back_up import back_up
from core.embedded_postgres import stop, url
from core.restore import restore_database
from core.state import state_hash
from tests.backups_world import change_something, connected_to, databases, drop_all, fill_pristine
from tests.faults.world import all_or_sample, at_statement, in_child
from tests.production import ROOT, environment, on, start_postgres

SWAP = "ALTER DATABASE"
COUNTED = 150  # statements of a restore, and some more


@pytest.fixture(scope="module")
def backed_up(
    imported_once: dict[str, Any], django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path, str]]:
    """A database that a restore is to replace, the backup, and the state hash of that."""
    before, project.BACKUP_DIR = project.BACKUP_DIR, tmp_path_factory.mktemp("backups")
    with django_db_blocker.unblock():
        live = fill_pristine()
        with connected_to(live):
            made = back_up()
            yield live, made.path, state_hash()
        drop_all(live)
    project.BACKUP_DIR = before


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize("number", all_or_sample(range(1, COUNTED), [5]))
def test_a_restore_that_is_killed_at_a_statement(number: int, backed_up: tuple[str, Path, str]) -> None:
    assert_survives(at_statement(number, lambda _: os.kill(os.getpid(), signal.SIGKILL)), backed_up)


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize("rename", all_or_sample([1, 2], [2]))
@pytest.mark.parametrize("when", all_or_sample(["before", "after"], ["after"]))
def test_a_restore_that_is_killed_while_names_change(rename: int, when: str, backed_up: tuple[str, Path, str]) -> None:
    seen = []

    def wrapper(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(SWAP in sql)
        is_it = SWAP in sql and sum(seen) == rename
        answer = None if is_it and when == "before" else execute(sql, *rest)
        if is_it:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    assert_survives(wrapper, backed_up)


def assert_survives(wrapper: Any, backed_up: tuple[str, Path, str]) -> None:
    """Check a restore that is killed in a child, then one that is not."""
    live, path, expected = backed_up

    def work() -> None:
        with connection.execute_wrapper(wrapper):
            restore_database(path, confirm=lambda *_: None)

    before = change_something()
    child = in_child(work)
    child.join()
    is_replaced = any(name.startswith(f"{live}_before_") for name in databases())
    assert state_hash() == (expected if is_replaced else before)
    done = restore_database(path, confirm=lambda *_: None)
    assert state_hash() == expected
    assert done.kept in databases()
    assert not [name for name in databases() if name.startswith(f"{live}_scratch_")]
    drop_all(f"{live}_before_")


# the roles of production


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    folder = Path(tempfile.mkdtemp(prefix="gvrc-backups-"))  # not tmp_path: a server started by root is another user
    folder.chmod(0o755)
    yield start_postgres(folder / "postgres")
    stop(folder / "postgres")
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def test_the_roles_of_production_back_up_and_restore_with_a_password(server: Any, tmp_path: Path) -> None:
    urls = on(server)
    owner = str(urls["DATABASE_OWNER_URL"]).replace("gvrc_owner@", "gvrc_owner:s7%3A-Kili%5Cmani@")
    own = environment(urls | {"DATABASE_OWNER_URL": owner, "BACKUP_DIR": str(tmp_path), "DB_CONNECT_TIMEOUT": "2"})

    def manage(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)

    with psycopg.connect(url(server, "gvrc_admin"), autocommit=True) as superuser:
        superuser.execute("ALTER ROLE gvrc_owner PASSWORD 's7:-Kili\\mani'")
        hba = server.data_dir / "pg_hba.conf"
        hba.write_text(f"local all gvrc_owner scram-sha-256\n{hba.read_text()}")
        superuser.execute("SELECT pg_reload_conf()")
    assert manage("migrate", "--verbosity", "0").returncode == 0
    done = manage("backup_database", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (path,) = tmp_path.glob("*.backup")
    with psycopg.connect(str(urls["DATABASE_URL"]), autocommit=True) as site:  # somebody works in it
        site.execute("SELECT pg_advisory_lock(7)")
        done = manage("restore_database", str(path), "--yes")
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1), done.stderr
        site.execute("SELECT pg_advisory_unlock(7)")
        done = manage("restore_database", str(path), "--yes")
        assert done.returncode == 0, done.stderr
        with pytest.raises(psycopg.OperationalError):
            site.execute("SELECT 1")
    with psycopg.connect(str(urls["DATABASE_URL"])) as site:
        may = "SELECT has_table_privilege('users', 'INSERT'), has_table_privilege('audit_trail', 'INSERT')"
        assert site.execute(may).fetchone() == (True, False)
        public = "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = 'gvrc_admin' AND grantee = 0"
        assert site.execute(public).fetchone() == (0,)
    with psycopg.connect(url(server, "postgres"), autocommit=True) as superuser:
        superuser.execute("DROP DATABASE gvrc_admin WITH (FORCE)")
        done = manage("restore_database", path.name, "--yes")
        assert done.returncode == 0, done.stderr
        superuser.execute("ALTER ROLE gvrc_owner NOCREATEDB")
        done = manage("verify_backup", str(path))
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert "CREATEDB" in done.stderr
    assert manage("state_hash").returncode == 0
    stop(server.data_dir)
    for command in (["backup_database"], ["restore_database", str(path), "--yes"], ["verify_backup", str(path)]):
        done = manage(*command)
        assert (done.returncode, len(done.stderr.splitlines())) == (5, 1), done.stderr
    assert manage("verify_backup", "--quick", str(path)).returncode == 0
