"""What a database holds, so that two of them can be compared: rows and a digest of each table, constraints, migrations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.db import connection, transaction
from psycopg import sql

from core.known_migrations import applied_migrations, code_migrations
from core.state import state_definition, state_hash

# how a row reads as text must not depend on who asks
_PINNED = """
SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = postgres;
SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = hex
"""
_TABLES = """
SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence = 'p' AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2
"""
# The hashes of the rows are added (AdHash, Bellare and Micciancio 1997): no order is asked for, and no memory for all rows.
# Against an attacker 128 bits would be few; against one the seal of the backup stands.
_DIGEST = sql.SQL("""
SELECT count(*), coalesce(sum(('x' || left(hash, 16))::bit(64)::bigint::numeric), 0) || ' '
  || coalesce(sum(('x' || substr(hash, 17, 16))::bit(64)::bigint::numeric), 0)
FROM (SELECT encode(sha256(convert_to((r.*)::text, 'UTF8')), 'hex') AS hash FROM ONLY {} r) AS hashed
""")
# In a dump that was cut, foreign keys are what goes first. NOT NULL is a constraint of its own from PostgreSQL 18 on.
_OBJECTS = """
SELECT (SELECT count(*) FROM pg_constraint WHERE contype <> 'n' AND connamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
  (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)
"""
_OBJECT_NAMES = ("constraints", "indexes", "triggers", "functions")
_LOCALE = "SELECT datcollate, datctype FROM pg_database WHERE datname = current_database() AND datlocprovider = 'c'"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database holds; `state_hash` is None where this code's migrations are not those that are applied."""

    tables: dict[str, dict[str, Any]]  # name -> rows, digest
    objects: dict[str, int]
    migrations: list[str]  # app.name
    state_hash: str | None
    state_definition: str
    locale: list[str]  # collation and character type; empty where they are not of the C library

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Return the facts that a manifest holds."""
        return cls(**{name: manifest[name] for name in cls.__slots__})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def rows(self) -> int:
        return sum(table["rows"] for table in self.tables.values())

    def differences(self, found: "Facts") -> list[str]:
        """Return the names of what is not the same in another database; state hashes count where they can be compared."""
        names = sorted(self.tables.keys() | found.tables.keys())
        differing = [name for name in names if self.tables.get(name) != found.tables.get(name)]
        differing += [name for name in _OBJECT_NAMES if self.objects[name] != found.objects[name]]
        hashes = {self.state_hash, found.state_hash}
        if None not in hashes and len(hashes) > 1 and self.state_definition == found.state_definition:
            differing.append("the state hash")
        return differing


@contextmanager
def snapshot() -> Iterator[str]:
    """Open a transaction that sees the default database as it is now, and give the snapshot's name for pg_dump."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            (name,) = cursor.fetchone() or ("",)
        yield str(name)


def read_facts() -> Facts:
    """Return what the default database holds, in the open transaction or one of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PINNED)
        cursor.execute(_TABLES)
        tables = {f"{schema}.{name}": _table(cursor, schema, name) for schema, name in cursor.fetchall()}
        cursor.execute(_OBJECTS)
        objects = dict(zip(_OBJECT_NAMES, cursor.fetchone() or (), strict=True))
        cursor.execute(_LOCALE)
        locale = list(cursor.fetchone() or ())
        applied = applied_migrations()
        is_current = applied == code_migrations()
        return Facts(tables, objects, sorted(applied), state_hash() if is_current else None, state_definition(), locale)


def _table(cursor: Any, schema: str, name: str) -> dict[str, Any]:
    cursor.execute(_DIGEST.format(sql.Identifier(schema, name)).as_string())
    rows, digest = cursor.fetchone()
    return {"rows": rows, "digest": digest}
