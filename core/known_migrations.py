"""Which migrations this code has, and which are applied to the default database; each as "app.name"."""

from functools import cache

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


@cache
def code_migrations() -> frozenset[str]:
    """Return the migrations of this code, which do not change while the process lives; no database is asked."""
    return frozenset(f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations or {})


def applied_migrations() -> frozenset[str]:
    """Return the migrations that are applied to the default database; none where it was never migrated."""
    return frozenset(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())
