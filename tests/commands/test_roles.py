"""deploy/roles.sql: the owner migrates, the application imports and cannot touch the trail.

The reader reads what a query needs, and nothing that reaches a person.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.embedded_postgres import Server, url
from core.roles import FieldClass, class_of
from tests.production import ROOT, environment, make_roles, on

DATABASE = "gvrc_roles"


def manage(server: Server, *arguments: str, owner: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as production would: on URLs, here without a password."""
    urls = on(server, database=DATABASE)
    changed = urls if owner else urls | {"DATABASE_OWNER_URL": None}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(changed), capture_output=True, text=True, check=False)


def as_role(server: Server, role: str, database: str = DATABASE) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(url(server, database).replace("//postgres@", f"//{role}@"), autocommit=True)


@pytest.fixture(scope="module")
def installed(migrated: Server) -> Iterator[Server]:
    with as_role(migrated, "postgres", "postgres") as superuser:
        superuser.execute(f"CREATE DATABASE {DATABASE} TEMPLATE gvrc_admin OWNER gvrc_owner")
        for _ in range(2):  # again: nothing changes, and nothing fails
            make_roles(migrated, "-v", f"database={DATABASE}")
        done = manage(migrated, "load_geography")
        assert done.returncode == 0, done.stderr
        yield migrated
        superuser.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def test_the_application_role_imports_and_the_trail_is_its_own(installed: Server) -> None:
    done = manage(installed, "import_facilities", owner=False)
    assert done.returncode == 0, done.stderr
    with as_role(installed, "gvrc_app") as application:
        asked = "SELECT count(*) FROM audit_trail WHERE session_id LIKE 'run:%'"
        (count,) = application.execute(asked).fetchone() or (0,)
        assert count > 200
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM audit_trail")


def test_the_application_role_alone_cannot_migrate(installed: Server) -> None:
    refused = manage(installed, "migrate", "core", "zero", owner=False)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_one_role_for_everything_is_warned_of(installed: Server) -> None:
    owner = on(installed, "gvrc_owner", database=DATABASE) | {"DATABASE_OWNER_URL": None}
    command = [sys.executable, "manage.py", "migrate"]
    done = subprocess.run(command, cwd=ROOT, env=environment(owner), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "roles-not-apart" in done.stderr


REFUSED = psycopg.errors.InsufficientPrivilege
FORBIDDEN_TO_THE_APPLICATION = (
    "CREATE TABLE public.notes (note text)",
    "ALTER TABLE facilities ADD COLUMN note text",
    "ALTER TABLE facilities DISABLE TRIGGER ALL",
    "DROP TABLE facilities",
    "TRUNCATE facilities CASCADE",
    "INSERT INTO audit_trail (table_name, record_id, operation) VALUES ('facilities', 1, 'INSERT')",
    "UPDATE audit_trail SET table_name = ''",
    "TRUNCATE audit_trail",
    "DELETE FROM access_log",
    "DELETE FROM django_migrations",
    "UPDATE key_checks SET text_index = ''",
    "CREATE DATABASE another",
    "CREATE ROLE another",
    "SET ROLE gvrc_owner",
    "SET session_replication_role = replica",
)


@pytest.mark.parametrize("statement", FORBIDDEN_TO_THE_APPLICATION)
def test_the_application_role_may_not(installed: Server, statement: str) -> None:
    with as_role(installed, "gvrc_app") as application, pytest.raises(REFUSED):
        application.execute(statement)


UNREADABLE = (
    "SELECT address FROM facilities",
    "SELECT sealed_details FROM facilities",
    "SELECT contact_value FROM facility_contacts",
    "SELECT value_index FROM facility_contacts",
    "SELECT sealed_position FROM facility_coordinates",
    "SELECT facilities FROM facilities",  # the whole row
    "SELECT summary FROM import_runs",
    *(
        f"SELECT count(*) FROM {table}"
        for table in (
            "users", "users_groups", "django_session", "access_log", "audit_trail", "approvals", "key_checks",
            "source_records", "source_record_versions", "source_files", "duplicate_pairs", "pins", "run_requests",
            "axes_accessattempt", "django_admin_log", "django_tasks_database_dbtaskresult",
        )
    ),
)  # fmt: skip
UNWRITABLE = (
    "UPDATE facilities SET town = ''",
    "DELETE FROM facility_services",
    "INSERT INTO counties (county_name) VALUES ('Nowhere')",
    "CREATE TEMPORARY TABLE notes (note text)",
    "CREATE TABLE public.notes (note text)",
    "SELECT refresh_statistics()",
)


def test_the_reader_asks_what_a_viewer_may_see(installed: Server) -> None:
    with as_role(installed, "gvrc_read") as reader:
        reader.execute("SELECT facility_code, facility_name, town, registration_number FROM facilities").fetchall()
        reader.execute("SELECT county_name FROM counties").fetchall()
        reader.execute("SELECT run_id, status, finished_at FROM import_runs").fetchall()
        reader.execute("SELECT latitude, longitude FROM facility_coordinates").fetchall()
        assert reader.execute("SHOW statement_timeout").fetchone() == ("1min",)
        assert reader.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


@pytest.mark.parametrize("query", UNREADABLE)
def test_the_reader_may_not_read(installed: Server, query: str) -> None:
    with as_role(installed, "gvrc_read") as reader, pytest.raises(REFUSED):
        reader.execute(query)  # type: ignore[call-overload] # of our own words


@pytest.mark.parametrize("statement", UNWRITABLE)
def test_the_reader_may_not_write_even_where_it_lifts_its_own_setting(installed: Server, statement: str) -> None:
    with as_role(installed, "gvrc_read") as reader:
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(REFUSED):
            reader.execute(statement)  # type: ignore[call-overload] # of our own words


def test_the_reader_holds_no_right_on_a_column_of_a_stricter_class(installed: Server) -> None:
    query = (
        "SELECT table_name || '.' || column_name FROM information_schema.column_privileges WHERE grantee = 'gvrc_read'"
    )
    with as_role(installed, "postgres") as superuser:
        granted = {name for (name,) in superuser.execute(query)}
        loose = superuser.execute(
            "SELECT table_name FROM information_schema.table_privileges WHERE grantee = 'gvrc_read'"
        ).fetchall()
    assert len(granted) > 80
    assert {class_of(name) for name in granted} == {FieldClass.PUBLIC, FieldClass.INTERNAL}
    assert loose == []


def test_a_right_that_somebody_gave_the_reader_falls_with_the_next_migrate(installed: Server) -> None:
    with as_role(installed, "postgres") as superuser:
        superuser.execute("GRANT SELECT ON users TO gvrc_read")
        assert manage(installed, "migrate").returncode == 0
        (may,) = superuser.execute("SELECT has_table_privilege('gvrc_read', 'users', 'SELECT')").fetchone() or (True,)
        assert may is False


def test_nobody_else_connects_and_the_owner_can_restore(installed: Server) -> None:
    with as_role(installed, "postgres") as superuser:
        superuser.execute("CREATE ROLE passer_by LOGIN")
        owner = superuser.execute(
            "SELECT rolcreatedb, rolsuper, pg_has_role('gvrc_owner', 'pg_signal_backend', 'USAGE') FROM pg_roles"
            " WHERE rolname = 'gvrc_owner'"
        ).fetchone()
    assert owner == (True, False, True)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        as_role(installed, "passer_by")


def test_the_names_may_be_others(migrated: Server) -> None:
    names = {"database": "other db", "owner": "o'wner", "application": "app-2", "reader": "reader2"}
    for _ in range(2):
        make_roles(migrated, *(word for name, value in names.items() for word in ("-v", f"{name}={value}")))
    with as_role(migrated, "postgres", "other db") as superuser:
        owner = superuser.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'other db'"
        ).fetchone()
        may = superuser.execute("SELECT has_database_privilege('reader2', current_database(), 'CONNECT')").fetchone()
    assert (owner, may) == (("o'wner",), (True,))
