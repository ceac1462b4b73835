"""Rows under keys of their own: which keys are free, rows as they are written, and what the database says of them afterwards."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from django.db import connection, models
from django.db.models import Max

from core.bulk import copy_in, take_ids
from core.crypto import Decrypted
from core.models import AuditEntry, User
from etl.legacy.books import MigrationError
from etl.legacy.database import LegacyDatabase
from etl.stages.legacy import TABLES
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    OperationalStatus,
    ServiceCategory,
)
from geography.models import Constituency, County, Ward

MODELS: dict[str, type[models.Model]] = {
    "counties": County,
    "constituencies": Constituency,
    "wards": Ward,
    "operational_statuses": OperationalStatus,
    "service_categories": ServiceCategory,
    "contact_types": ContactType,
    "users": User,
    "facilities": Facility,
    "facility_services": FacilityService,
    "facility_contacts": FacilityContact,
    "facility_coordinates": FacilityCoordinate,
    "audit_trail": AuditEntry,
}
assert list(MODELS) == list(TABLES)
PORTION = 1_000
FRESH_AT_ONCE = 50


class Keys:
    """The keys of one of our tables: a legacy key is kept where it is free, else a new one is given."""

    def __init__(self, table: str) -> None:
        model = MODELS[table]
        self._taken = set(model._default_manager.values_list("pk", flat=True))  # noqa: SLF001 - documented API
        self._fresh = _fresh_keys(model)

    def is_free(self, key: int | None) -> bool:
        """Return whether no row has this key."""
        return key is not None and key not in self._taken

    def release(self, key: int) -> None:
        """Say that no row has this key any more."""
        self._taken.discard(key)

    def take(self, key: int | None) -> int:
        """Return the legacy key if it is free, else a new one above all others; nobody gets it again."""
        taken = key if key is not None and key not in self._taken else next(self._fresh)
        self._taken.add(taken)
        return taken


def _fresh_keys(model: type[models.Model]) -> Iterator[int]:
    """Yield keys of the table's sequence, which is beyond every legacy key: triggers take theirs from it meanwhile."""
    while True:
        yield from take_ids(model, FRESH_AT_ONCE)


def advance_sequences(legacy: LegacyDatabase) -> dict[str, int]:
    """Return the highest legacy key of each table, after our sequences went beyond it: triggers and pages use none of them.

    A sequence does not come back when a transaction is rolled back; gaps do no harm.
    """
    highest = {table: legacy.highest_key(table) for table in TABLES}
    for table in TABLES:
        set_sequence(table, at_least=highest[table])
    return highest


def set_sequence(table: str, *, at_least: int = 0) -> None:
    """Let the next insert get a key above every row of a table, and above `at_least`."""
    model = MODELS[table]
    newest = model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0  # noqa: SLF001 - documented API
    with connection.cursor() as cursor:
        sequence = _sequence_of(model)
        cursor.execute(
            f"SELECT setval('{sequence}', GREATEST(last_value, %s)) FROM {sequence} WHERE %s > 0 OR is_called",  # noqa: S608 # nosec B608 # PostgreSQL's own name
            [max(newest, at_least, 1), max(newest, at_least)],
        )


def _sequence_of(model: type[models.Model]) -> str:
    with connection.cursor() as cursor:
        meta = model._meta  # noqa: SLF001 - documented API
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [meta.db_table, meta.pk.column])
        return str((cursor.fetchone() or ("",))[0])


class Written:
    """What was written, as short hashes, so that it can be compared with what the database says of it afterwards."""

    def __init__(self) -> None:
        self._hashes: dict[type[models.Model], dict[int, bytes]] = {}

    def write(self, rows: Sequence[models.Model]) -> None:
        """Insert rows of one model as they are, time stamps too."""
        if not rows:
            return
        copy_in(rows, as_they_are=True)
        self.remember(rows)

    def remember(self, rows: Iterable[models.Model]) -> None:
        """Take rows for written that somebody else wrote."""
        for row in rows:
            self._hashes.setdefault(type(row), {})[int(row.pk)] = _hash(row)

    def compare(self) -> None:
        """Read every row back; raises MigrationError where the database says something else than was written."""
        for model, hashes in self._hashes.items():
            for part in batched(hashes, PORTION):
                found = {row.pk: _hash(row) for row in model._default_manager.filter(pk__in=part)}  # noqa: SLF001 - documented API
                for pk in part:
                    if found.get(pk) != hashes[pk]:
                        table = model._meta.db_table  # noqa: SLF001 - documented API
                        message = (
                            f"{table} {pk} does not say what was written; nothing was kept; report this as a fault"
                        )
                        raise MigrationError(message)


def _hash(row: models.Model) -> bytes:
    """Return a hash over what a row says: sealed values opened, times in UTC."""
    fields = row._meta.concrete_fields  # noqa: SLF001 - documented API
    said = [(field.attname, _plain(getattr(row, field.attname), field)) for field in fields]
    return hashlib.blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _plain(value: Any, field: "models.Field[Any, Any]") -> Any:
    if isinstance(value, Decrypted):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(field, models.DecimalField) and value is not None:
        return f"{value:.8f}"
    if isinstance(value, Mapping):
        return sorted((name, repr(one)) for name, one in value.items())
    return value
