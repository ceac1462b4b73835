"""The books of a migration: what was read, what became of each row, and which of our keys a legacy key is now."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.errors import EtlError
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.stages.legacy import TABLES


class MigrationError(EtlError):
    """The migration cannot be, or did not add up; nothing was written."""

    code = "migration-failed"


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said of one legacy row, without any value that is protected."""

    table: str
    key: str
    reason: str


@dataclass(slots=True)
class Books:
    """Every row that was read ends as landed, already (there) or listed. `notes` tell of rows that are not as they were.

    `ids`: table -> what points to a legacy row -> our key. `same`: table -> key of a row that is listed as
    the same as another -> that one's. `keys_not_kept`: table -> how many rows stand under another key than before.
    """

    read: Counter[str] = field(default_factory=Counter)
    landed: Counter[str] = field(default_factory=Counter)
    already: Counter[str] = field(default_factory=Counter)
    listed: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)
    keys_not_kept: Counter[str] = field(default_factory=Counter)
    ids: dict[str, dict[int | str, int]] = field(default_factory=lambda: defaultdict(dict))
    same: dict[str, dict[int | str, int | str]] = field(default_factory=lambda: defaultdict(dict))
    remarks: list[str] = field(default_factory=list)

    def land(self, table: str, row: LegacyRow, pk: int) -> None:
        """Write down that a row stands in our table, under this key, by this migration."""
        self.landed[table] += 1
        self._know(table, row, pk)

    def find(self, table: str, row: LegacyRow, pk: int) -> None:
        """Write down that a row stood in our table before."""
        self.already[table] += 1
        self._know(table, row, pk)

    def list(self, table: str, row: LegacyRow, reason: str) -> None:
        """Write down why a row did not land."""
        self.listed.append(Remark(table, row.label, reason))

    def list_same(self, table: str, row: LegacyRow, same: LegacyRow) -> None:
        """Write down that a row is the same as another one of the file, whose key of ours may not be known yet."""
        self.list(table, row, f"it is the same as {table} {same.label}; what points to it points there")
        if row.reference is not None and same.reference is not None:
            self.same[table][row.reference] = same.reference

    def follow_same(self, table: str) -> None:
        """Let what points to rows of list_same() point to the others, now that these have keys of ours."""
        for key, same in self.same[table].items():
            if same in self.ids[table]:
                self.ids[table][key] = self.ids[table][same]

    def note(self, table: str, row: LegacyRow, reason: str) -> None:
        """Write down what is not as it was about a row that landed."""
        self.notes.append(Remark(table, row.label, reason))

    def list_unreadable(self, legacy: LegacyDatabase) -> None:
        """Write down the objects of an export that never became a row."""
        for table, pointer, reason in legacy.unreadable:
            self.read[table] += 1
            self.listed.append(Remark(table, pointer, reason))

    def _know(self, table: str, row: LegacyRow, pk: int) -> None:
        if row.reference is not None:
            self.ids[table].setdefault(row.reference, pk)
        if row.key != pk:
            self.keys_not_kept[table] += 1

    def tables(self) -> dict[str, dict[str, int]]:
        """Return the counts of each table, in key order."""
        listed = Counter(remark.table for remark in self.listed)
        names = [name for name in (*TABLES, "objects") if self.read[name]]
        return {
            name: {
                "read": self.read[name],
                "landed": self.landed[name],
                "already": self.already[name],
                "listed": listed[name],
            }
            for name in names
        }

    def totals(self) -> dict[str, int]:
        """Return the counts over all tables."""
        tables = self.tables().values()
        return {name: sum(row[name] for row in tables) for name in ("read", "landed", "already", "listed")}

    def check(self) -> None:
        """Raise MigrationError where a row that was read ended nowhere, or twice."""
        for table, row in self.tables().items():
            if row["read"] != row["landed"] + row["already"] + row["listed"]:
                message = (
                    f"{table}: {row['read']} rows read, but {row['landed']} landed, {row['already']} there already,"
                )
                raise MigrationError(f"{message} {row['listed']} listed; nothing was written; report this as a fault")

    def as_json(self, legacy: LegacyDatabase) -> dict[str, Any]:
        """Return the object of `migrate_sqlite --json`, without the run."""
        return {
            "file": legacy.name,
            "sha256": legacy.sha256,
            "tables": self.tables(),
            "totals": self.totals(),
            "listed": [asdict(remark) for remark in self.listed],
            "notes": [asdict(remark) for remark in self.notes],
            "keys_not_kept": dict(self.keys_not_kept),
            "other_tables": dict(legacy.other_tables),
            "other_columns": dict(legacy.other_columns),
            "remarks": [*legacy.remarks, *self.remarks],
        }
