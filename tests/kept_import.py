"""One import of data/raw, made once for all tests of a process: its rows are kept aside, and put back where a test wants them.

An import takes seconds, putting its rows back some hundredths of one. They are the rows that the import wrote, to the bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from tests.world import RAW, run_import

KEPT = "kept_import"  # a schema beside public


def import_and_keep() -> dict[str, Any]:
    """Return the summary of an import whose rows are moved aside: the database is as it was before."""
    marks = {table: _highest(table, column) for table, column in _tables().items()}
    summary = run_import(RAW)
    with _as_superuser(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {KEPT}")
        for table, column in _tables().items():
            cursor.execute(
                f'CREATE TABLE {KEPT}."{table}" AS SELECT * FROM public."{table}" WHERE "{column}" > %s', [marks[table]]
            )
            cursor.execute(f'DELETE FROM public."{table}" WHERE "{column}" > %s', [marks[table]])
    return summary


def put_back() -> None:
    """Write the kept rows into the open transaction, past triggers: the audit trail has its rows already."""
    with _as_superuser(), connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f'INSERT INTO public."{table}" SELECT * FROM {KEPT}."{table}"')


def _tables() -> dict[str, str]:
    """Return the tables that have a numbered row for each thing, with the column of the number."""
    models = (model for model in apps.get_models(include_auto_created=True) if model._meta.managed)
    return {
        model._meta.db_table: str(model._meta.pk.column)
        for model in models
        if model._meta.pk.get_internal_type() in {"BigAutoField", "AutoField"}
    }


def _highest(table: str, column: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT coalesce(max("{column}"), 0) FROM "{table}"')
        return int(cursor.fetchone()[0])


@contextmanager
def _as_superuser() -> Iterator[None]:
    """Let the server's superuser write without triggers and foreign keys, then be the application role again."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE; SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute(f'SET LOCAL ROLE "{settings.DATABASE_APPLICATION_ROLE}"')
