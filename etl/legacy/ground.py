"""What facilities are landed on: our reference data, our keys, and what was claimed by those that landed before."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from etl.facility_rows import RowIds
from etl.legacy.books import Books
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.legacy.keys import Keys
from etl.legacy.places import Places
from etl.legacy.rows import Written
from etl.stages.legacy import CHILDREN, to_flag, to_reference, to_time, to_words
from etl.stages.records import Reference


@dataclass(slots=True)
class Ground:
    """See the module.

    `codes` are taken by facilities of the file, `numbers` say which open facility has each registration number,
    `hidden`: our key of each facility that is there -> whether it is confidential. `moment` stands for times that cannot be read.
    """

    books: Books
    written: Written
    reference: Reference
    places: Places
    ids: RowIds
    keys: Mapping[str, Keys]
    moment: datetime
    codes: set[str] = field(default_factory=set)
    numbers: dict[str, str] = field(default_factory=dict)
    hidden: dict[int, bool] = field(default_factory=dict)

    def code_of(self, table: str, value: object) -> str:
        """Return the code of the lookup row that a reference points to; "" where it points to none of the file."""
        reference = to_reference(value)
        pk = self.books.ids[table].get(reference) if reference is not None else None
        lookups = {
            "operational_statuses": self.ids.status,
            "service_categories": self.ids.service,
            "contact_types": self.ids.contact_type,
        }
        return next((code for code, ours in lookups[table].items() if ours == pk), "")

    def flag(self, table: str, row: LegacyRow, column: str, *, otherwise: bool) -> bool:
        """Return what a yes/no column says; `otherwise` where it is missing, and with a note where it says neither."""
        value = row.values.get(column)
        said = to_flag(value)
        if said is None and value is not None:
            self.books.note(
                table, row, f"{column} says neither yes nor no; it was taken for {'yes' if otherwise else 'no'}"
            )
        return otherwise if said is None else said

    def time(self, table: str, row: LegacyRow, column: str) -> datetime:
        """Return what a time column says; the migration's own time where it is missing, with a note where it is none."""
        value = row.values.get(column)
        said = to_time(value)
        if said is None and to_words(value):
            self.books.note(table, row, f"{column} is no time; the time of the migration stands there")
        return said or self.moment


@dataclass(slots=True)
class Family:
    """The rows that belong to facilities, by table and the facility's legacy key; None: of those that name none."""

    rows: dict[str, dict[int | str | None, list[LegacyRow]]]

    @classmethod
    def read(cls, legacy: LegacyDatabase, books: Books) -> "Family":
        """Return all of them."""
        family: dict[str, dict[int | str | None, list[LegacyRow]]] = {}
        for table in CHILDREN:
            family[table] = defaultdict(list)
            for row in legacy.rows(table):
                books.read[table] += 1
                family[table][to_reference(row.values.get("facility_id"))].append(row)
        return cls(family)

    def take(self, table: str, reference: int | str | None) -> list[LegacyRow]:
        """Return a facility's rows of a table, and give them away."""
        return self.rows[table].pop(reference, []) if reference is not None else []

    def list_orphans(self, books: Books) -> None:
        """List what belongs to no facility of the file."""
        for table, by_key in self.rows.items():
            for reference, rows in by_key.items():
                shown = f" {reference}" if isinstance(reference, int) else ""  # words may be anything
                reason = "it names no facility" if reference is None else f"its facility{shown} is not in the file"
                for row in rows:
                    books.list(table, row, reason)
