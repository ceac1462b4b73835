"""A database role for those who ask in SQL: it reads a named list of tables, without the columns that reach a person.

Not more than a viewer sees in admin, and less where many rows at once would tell more than one page: no person, session,
login, audit image, source record, finding, pair or pin. Of a confidential place its open columns hold stand-ins.
"""

from fnmatch import fnmatchcase

from django.conf import settings
from django.db import connection

from core.roles import FieldClass, class_of

READABLE_TABLES = (
    "facilities", "facility_contacts", "facility_coordinates", "facility_services", "retired_codes",
    "facility_types", "operational_statuses", "service_categories", "contact_types",
    "counties", "constituencies", "wards", "place_aliases",
    "import_runs", "quality_snapshots",
)  # fmt: skip
# of a readable class, and left out: what tells where a number stands again; what a run's own page shows with more care; who,
# where and how of runs and merges
_LEFT_OUT = (
    "facility_contacts.value_index",
    "retired_codes.facility_was", "retired_codes.session_id", "retired_codes.*was_*",
    "import_runs.options", "import_runs.summary", "import_runs.findings", "import_runs.error",
    "import_runs.host", "import_runs.pid",
    "quality_snapshots.profile", "quality_snapshots.anomalies", "quality_snapshots.drift",
    "quality_snapshots.recommendations",
)  # fmt: skip
_READABLE_CLASSES = frozenset({FieldClass.PUBLIC, FieldClass.INTERNAL})


def is_readable(column: str) -> bool:
    """Return whether the role may read this "table.column" of a table on the list."""
    return class_of(column) in _READABLE_CLASSES and not any(fnmatchcase(column, pattern) for pattern in _LEFT_OUT)


def readable_columns(tables: list[str]) -> dict[str, list[str]]:
    """Return the columns that the role may read, by table, of those of these tables that are on the list."""
    with connection.cursor() as cursor:
        return {
            table: [
                column.name
                for column in connection.introspection.get_table_description(cursor, table)
                if is_readable(f"{table}.{column.name}")
            ]
            for table in READABLE_TABLES
            if table in tables
        }


def grant_reading(tables: list[str]) -> None:
    """Give the role its rights anew, and take away all others, where deploy/roles.sql made it; the owner calls it."""
    role = settings.DATABASE_READER_ROLE
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if not cursor.fetchone():
            return
        cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quote(role)}")
        cursor.execute(f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {quote(role)}")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {quote(role)}")
        for table, columns in readable_columns(tables).items():
            listed = ", ".join(map(quote, columns))
            cursor.execute(f"GRANT SELECT ({listed}) ON {quote(table)} TO {quote(role)}")
