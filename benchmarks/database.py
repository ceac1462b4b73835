"""The benchmarks' own database: made and emptied by its owner, filled by child processes that work as the application role."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from benchmarks.settings import DATABASE_VARIABLE
from core.database_roles import as_owner

COUNTED = (
    "facilities", "facility_contacts", "facility_services", "facility_coordinates", "source_records",
    "source_record_versions", "audit_trail",
)  # fmt: skip
REGISTRY = COUNTED[:4]


@contextmanager
def own_database() -> Iterator[None]:
    """Let this process be the owner of a new database with geography and lookups; it is dropped at the end."""
    with as_owner():
        databases = setup_databases(verbosity=0, interactive=False)
        os.environ[DATABASE_VARIABLE] = str(connection.settings_dict["NAME"])
        try:
            call_command("load_geography", verbosity=0, stdout=io.StringIO())
            yield
        finally:
            del os.environ[DATABASE_VARIABLE]
            teardown_databases(databases, verbosity=0)


def empty_registry() -> None:
    """Make every import the first one; the planner knows that the tables are empty, and nothing is left to flush."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        # what points at these goes with them: the whole ledger, every child
        cursor.execute("TRUNCATE facilities, import_runs, audit_trail, access_log RESTART IDENTITY CASCADE")
        cursor.execute("ANALYZE")
    settle()


def settle() -> None:
    """Write out what the last import left in memory, so that the next one does not pay for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR pg_has_role('pg_checkpoint', 'MEMBER') FROM pg_roles WHERE rolname = current_user"
        )
        (may,) = cursor.fetchone() or (False,)
        if may:
            cursor.execute("CHECKPOINT")


def row_counts() -> dict[str, int]:
    """Return how many rows each table has that an import fills."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        counts = (f"SELECT '{table}', count(*) FROM {table}" for table in COUNTED)  # noqa: S608 - our own names
        cursor.execute(" UNION ALL ".join(counts))
        return dict(cursor.fetchall())


def row_versions() -> dict[str, tuple[int, str]]:
    """Return, for each registry table, its rows and a sum over each row's place and writer: any write changes it."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        place = "hashtextextended(tableoid::text || ctid::text || xmin::text, 0)::numeric"
        sums = [
            f"SELECT '{table}', count(*), coalesce(sum({place}), 0)::text FROM {table}"  # noqa: S608 - our own names
            for table in REGISTRY
        ]
        cursor.execute(" UNION ALL ".join(sums))
        return {table: (count, total) for table, count, total in cursor.fetchall()}


def server_version() -> str:
    """Return the version of the server, such as "16.4"."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone() or ("",)
        return str(version).split()[0]
