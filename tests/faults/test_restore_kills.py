"""A restore that is killed at any statement leaves the live database as it was, or replaced; the next one works and tidies up."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings as project
from django.db import connection

from core.backups.making import back_up
from core.backups.restore import restore_database
from core.embedded_postgres import stop, url
from core.state import state_hash
from etl.lock import LOCK
from tests.backups_world import change_something, fill_pristine
from tests.faults.world import all_or_sample, at_statement, in_child, in_full
from tests.own_databases import connected_to, databases, drop_all
from tests.production import ROOT, environment, on, start_postgres

SWAP = "ALTER DATABASE"
COUNTED = 130  # statements of a restore, and some more


@pytest.fixture(scope="module")
def backed_up(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
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
@pytest.mark.parametrize("number", all_or_sample(range(1, COUNTED), []))
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


PASSWORD = "s7:-Kili\\mani"  # with what a password file escapes


class Production:
    """A server with the roles of deploy/roles.sql, the owner by password, and a migrated database with a backup."""

    def __init__(self, folder: Path) -> None:
        self.server = start_postgres(folder / "postgres")
        self.urls = {name: str(address) for name, address in on(self.server).items()}
        self.urls["DATABASE_OWNER_URL"] = self.urls["DATABASE_OWNER_URL"].replace(
            "gvrc_owner@", f"gvrc_owner:{quote(PASSWORD, safe='')}@"
        )
        self.folder = folder / "backups"
        self.as_superuser("gvrc_admin", f"ALTER ROLE gvrc_owner PASSWORD '{PASSWORD}'")
        hba = self.server.data_dir / "pg_hba.conf"
        hba.write_text(f"local all gvrc_owner scram-sha-256\n{hba.read_text()}")
        self.as_superuser("gvrc_admin", "SELECT pg_reload_conf()")
        assert self.manage("migrate", "--verbosity", "0") == (0, "", "")
        assert self.manage("backup_database", "--quiet") == (0, "", "")
        (self.backup,) = (path.name for path in self.folder.glob("*.backup"))

    def as_superuser(self, database: str, statement: str) -> None:
        with psycopg.connect(url(self.server, database), autocommit=True) as superuser:
            superuser.execute(statement)

    def manage(self, *arguments: str) -> tuple[int, str, str]:
        own = environment({**self.urls, "BACKUP_DIR": str(self.folder), "DB_CONNECT_TIMEOUT": "2"})
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def site(self) -> Any:
        return psycopg.connect(self.urls["DATABASE_URL"], autocommit=True)


@pytest.fixture(scope="module")
def production() -> Iterator[Production]:
    folder = Path(tempfile.mkdtemp(prefix="gvrc-backups-"))  # not tmp_path: a server started by root is another user
    folder.chmod(0o755)
    try:
        yield Production(folder)
    finally:
        stop(folder / "postgres")
        shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_the_roles_of_production_restore_while_somebody_works(production: Production) -> None:
    with production.site() as site:
        site.execute("SELECT 1 FROM users")
        code, _, errors = production.manage("restore_database", production.backup, "--yes")
        assert code == 0, errors
        with pytest.raises(psycopg.OperationalError):
            site.execute("SELECT 1")
    with production.site() as site:
        may = "SELECT has_table_privilege('users', 'INSERT'), has_table_privilege('audit_trail', 'INSERT')"
        assert site.execute(may).fetchone() == (True, False)
        public = "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = 'gvrc_admin' AND grantee = 0"
        assert site.execute(public).fetchone() == (0,)


def test_what_a_restore_keeps_is_its_owners_alone_until_it_goes_back(production: Production) -> None:
    def enters(database: str) -> set[str]:
        with psycopg.connect(url(production.server, "postgres")) as superuser:
            asked = "SELECT name FROM unnest(%s::text[]) AS name WHERE has_database_privilege(name, %s, 'CONNECT')"
            names = ["gvrc_owner", "gvrc_app", "gvrc_read"]
            return {name for (name,) in superuser.execute(asked, [names, database])}

    code, said, errors = production.manage("restore_database", production.backup, "--yes")
    assert code == 0, errors
    kept = said.split("is kept as ")[1].split(";")[0]
    assert enters(kept) == {"gvrc_owner"}
    assert enters("gvrc_admin") == {"gvrc_owner", "gvrc_app", "gvrc_read"}
    code, _, errors = production.manage("restore_database", "--back", kept, "--yes")
    assert code == 0, errors
    assert enters("gvrc_admin") == {"gvrc_owner", "gvrc_app", "gvrc_read"}
    assert production.manage("state_hash")[0] == 0


@pytest.mark.parametrize("role", ["DATABASE_OWNER_URL", "DATABASE_URL"])
def test_an_import_beside_a_lock_of_either_role_ends_as_one_beside_another(role: str, production: Production) -> None:
    with psycopg.connect(production.urls[role], autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        code, _, errors = production.manage("import_facilities")
    assert (code, len(errors.splitlines())) == (3, 1), errors


@in_full
def test_a_site_that_connects_again_and_again_does_not_stop_a_restore(production: Production) -> None:
    sites = [in_child(connect_for_ever, production.urls["DATABASE_URL"]) for _ in range(4)]
    try:
        for _ in range(3):
            code, _, errors = production.manage("restore_database", production.backup, "--yes")
            assert code == 0, errors
    finally:
        for site in sites:
            site.kill()
            site.join()


def connect_for_ever(address: str) -> None:
    while True:
        with suppress(psycopg.Error), psycopg.connect(address) as site:
            while True:
                site.execute("SELECT 1")


@in_full
def test_what_is_missing_in_production_is_said_in_a_line(production: Production) -> None:
    def refusal(code: int, *arguments: str) -> str:
        done = production.manage(*arguments)
        assert (done[0], len(done[2].splitlines())) == (code, 1), done
        return done[2]

    restore = ("restore_database", production.backup, "--yes")
    with production.site() as site:
        site.execute("SELECT pg_advisory_lock(7)")
        assert "is at work in gvrc_admin" in refusal(3, *restore)
    production.as_superuser("postgres", "DROP DATABASE gvrc_admin WITH (FORCE)")
    assert production.manage(*restore)[0] == 0
    assert production.manage("state_hash")[0] == 0
    with psycopg.connect(url(production.server, "gvrc_admin")):  # a superuser
        assert "may not disconnect" in refusal(1, *restore)
    assert production.manage("state_hash")[0] == 0
    production.as_superuser("postgres", "ALTER ROLE gvrc_owner NOCREATEDB")
    assert "CREATEDB" in refusal(1, "verify_backup", production.backup)
    stop(production.server.data_dir)
    for command in (("backup_database",), restore, ("verify_backup", production.backup)):
        refusal(5, *command)
    assert production.manage("verify_backup", "--quick", production.backup)[0] == 0
