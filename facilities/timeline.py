"""A facility's life from the audit trail: what each run, request or command changed, before and after."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from django.apps import apps
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from core.audit import STAMPS
from core.crypto import EncryptedTextField, decrypt
from core.masking import mask
from core.models import FACILITY_ID, AuditEntry
from facilities.models import Facility, FacilityCoordinate, Pin
from facilities.pin_targets import kind_of
from facilities.protection import HIDDEN

MOST_ENTRIES = 1000
# an address is masked by nothing, and a place that is open now may have been confidential when it was written
_ONLY_THAT_IT_CHANGED = frozenset({"address", "sealed_details", "sealed_position"})
_NEVER_SHOWN = frozenset({"facility_id", "value_index", "created_at", "created_by", *STAMPS})


@dataclass(frozen=True, slots=True)
class Line:
    """One column of one row, before and after, as a person may see them."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that was changed; `what` names the table's rows ("facility contact")."""

    what: str
    operation: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """What one run, request or command did to a facility."""

    session: str
    who: str
    when: datetime
    changes: tuple[RowChange, ...]

    @property
    def run(self) -> str:
        """The number of the run, or "" where a person or raw SQL made the change."""
        return self.session.removeprefix("run:") if self.session.startswith("run:") else ""

    @property
    def origin(self) -> str:
        """In which way the change came, in words."""
        kind, _, rest = self.session.partition(":")
        named = {"run": f"run {rest}", "request": "edited in admin", "command": f"the command {rest}"}
        if kind == "legacy":
            return "in the legacy database"
        return named.get(kind, f"directly in the database, as {rest}")


def timeline(facility: Facility) -> list[Act]:
    """Return what was done to a facility and its children, newest first.

    Sealed values are opened and masked; those of a confidential place, and its position, are not shown at all.
    """
    found = (
        AuditEntry.objects.alias(facility=FACILITY_ID)
        .filter(facility=str(facility.pk))
        .select_related("changed_by")
        .order_by("-audit_id")[:MOST_ENTRIES]
    )
    entries = list(found)
    names = Names.of_entries(entries)
    acts = []
    for session, group in groupby(entries, key=lambda entry: entry.session_id or ""):
        rows = list(group)
        changes = tuple(row_change(entry, names, is_confidential=facility.is_confidential) for entry in rows)
        who = str(rows[0].changed_by or "")
        acts.append(Act(session, who, rows[0].changed_at, changes))
    return acts


def row_change(entry: AuditEntry, names: "Names", *, is_confidential: bool) -> RowChange:
    """Return one audit entry as a person may see it."""
    model = model_of(entry.table_name)
    before, after = entry.old_values or {}, entry.new_values or {}
    if model is Pin:
        return RowChange("pin", entry.operation, (Line("what", "", kind_of((before or after)["target"])),))
    lines = tuple(_lines(model, before, after, names, is_confidential=is_confidential))
    return RowChange(str(model._meta.verbose_name), entry.operation, lines)  # noqa: SLF001 - documented API


@lru_cache
def model_of(table: str) -> type[models.Model]:
    """Return the model of an audited table."""
    every = apps.get_models(include_auto_created=True)
    return next(model for model in every if model._meta.db_table == table)  # noqa: SLF001 - documented API


def _lines(
    model: type[models.Model],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: "Names",
    *,
    is_confidential: bool,
) -> Iterator[Line]:
    for field in model._meta.concrete_fields:  # noqa: SLF001 - documented API
        column = field.column or ""
        old, new = before.get(column), after.get(column)
        if field.primary_key or column in _NEVER_SHOWN or old == new or (old or new) in (None, ""):
            continue
        is_sealed = isinstance(field, EncryptedTextField)
        is_hidden = (is_confidential and (is_sealed or model is FacilityCoordinate)) or column in _ONLY_THAT_IT_CHANGED
        texts = [HIDDEN if is_hidden and value else names.of(field, value) for value in (old, new)]
        yield Line(str(field.verbose_name), *texts)


class Names:
    """The names of rows that columns point to, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[type[models.Model], Any], str] = {}

    @classmethod
    def of_entries(cls, entries: Sequence[AuditEntry]) -> "Names":
        """Return the names that entries ask for, read in one query for each table that they point to."""
        wanted: dict[tuple[type[models.Model], str], set[Any]] = defaultdict(set)
        for entry in entries:
            images = (entry.old_values or {}, entry.new_values or {})
            for field in model_of(entry.table_name)._meta.concrete_fields:  # noqa: SLF001 - documented API
                if isinstance(field, models.ForeignKey) and field.column not in _NEVER_SHOWN:
                    values = {image.get(field.column) for image in images} - {None}
                    wanted[field.related_model, field.target_field.name] |= values
        names = cls()
        for (target, key), values in wanted.items():
            for row in target._default_manager.filter(**{f"{key}__in": values}) if values else ():  # noqa: SLF001 - documented API
                names._known[target, getattr(row, key)] = str(row)
        return names

    def of(self, field: Any, value: Any) -> str:
        """Return a value of a column in words: masked where it is sealed, a row's name where it points to one."""
        if value is None:
            return ""
        if isinstance(field, EncryptedTextField):
            return mask(str(decrypt(value, column=field.column_name)))
        if isinstance(field, models.DateTimeField) and (moment := parse_datetime(str(value))):
            return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
        if not isinstance(field, models.ForeignKey):
            return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        return self._known.get((field.related_model, value), str(value))
