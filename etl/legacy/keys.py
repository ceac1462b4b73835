"""Which keys of our tables are free, and which the legacy rows get: theirs, wherever nobody has them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from django.db import connection, models
from django.db.models import Max

from core.bulk import take_ids
from etl.legacy.database import LegacyDatabase
from etl.legacy.rows import MODELS, NAMED_BY, Written
from etl.models import ImportRun
from etl.stages.legacy import TABLES
from facilities.models import Facility

FRESH_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Before:
    """What stood in the registry before the migration: table -> code or user name -> key; whether anything was ever in it."""

    keys: Mapping[str, Mapping[str, int]]
    is_unused: bool

    @classmethod
    def look(cls) -> Self:
        """Return what stands there now."""
        keys = {
            table: dict(MODELS[table]._default_manager.values_list(column, "pk"))  # noqa: SLF001 - documented API
            for table, column in NAMED_BY.items()
        }
        return cls(keys, is_unused=not (Facility.objects.exists() or ImportRun.objects.exists()))


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


def rekey(
    table: str,
    wanted: Mapping[str, int],
    *,
    written: Written,
    parent: str = "",
    moved_parents: Mapping[int, int] | None = None,
) -> dict[int, int]:
    """Return old key -> new key after the rows of a table took the wanted keys, each by its name; no facility points to them.

    They are taken away and put back, not renumbered: the audit trail says which row had which key when. A row that is in
    the way gets a new key. `parent` is the column that follows `moved_parents`.
    """
    model = MODELS[table]
    rows = list(model._default_manager.order_by("pk"))  # noqa: SLF001 - documented API
    values = set(wanted.values())
    fresh = max([0, *(row.pk for row in rows), *values]) + 1
    moved: dict[int, int] = {}
    for row in rows:
        key = wanted.get(getattr(row, NAMED_BY[table]), 0)
        if not key and row.pk in values:
            key, fresh = fresh, fresh + 1
        moved[row.pk] = key or row.pk
    kin = moved_parents or {}
    if all(old == new for old, new in moved.items()) and all(old == new for old, new in kin.items()):
        return moved
    everything = model._default_manager.all()  # noqa: SLF001 - documented API
    everything._raw_delete(everything.db)  # noqa: SLF001 - delete() would refuse, for its kin
    for row in rows:
        row.pk = moved[row.pk]
        if parent:
            setattr(row, parent, kin[getattr(row, parent)])
    model._default_manager.bulk_create(rows)  # noqa: SLF001 - documented API
    written.remember(rows)
    return moved
