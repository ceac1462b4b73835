"""Rows of the audit trail in words: what was changed, before and after, as far as anybody who reads the registry may know it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.apps import apps

from core.models import AuditEntry
from facilities.models import Facility, RetiredCode
from facilities.timeline import Line, Names, RowChange, model_of, row_change

_TOLD = frozenset({"facilities", "geography"})  # apps whose values are told; of any other one only what was changed


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry, and the facility that it is about; None where it is about none, or that one is gone."""

    change: RowChange
    facility: Facility | None


def in_words(entries: Sequence[AuditEntry]) -> list[AuditRow]:
    """Return entries in words, in their order: a few queries, however many there are.

    What stands for no facility any more is told as that of the one that absorbed it, or hidden like a confidential place's.
    """
    facilities = _facilities_of(entries)
    told = [entry for entry in entries if model_of(entry.table_name)._meta.app_label in _TOLD]  # noqa: SLF001 - documented API
    names = Names.of_entries(told)
    return [_in_words(entry, names, facilities) for entry in entries]


def _facilities_of(entries: Sequence[AuditEntry]) -> dict[int, Facility]:
    """Return the facilities that entries are about, by the id that each had then."""
    ids = {number for entry in entries if (number := _facility_id(entry)) is not None}
    facilities = Facility.objects.in_bulk(ids)
    gone = RetiredCode.objects.filter(facility_was__in=ids - set(facilities)).select_related("facility")
    return facilities | {part.facility_was: part.facility for part in gone if part.facility_was}


def _facility_id(entry: AuditEntry) -> int | None:
    return (entry.new_values or entry.old_values or {}).get("facility_id")


def _in_words(entry: AuditEntry, names: Names, facilities: dict[int, Facility]) -> AuditRow:
    model = model_of(entry.table_name)
    number = _facility_id(entry)
    facility = facilities.get(number) if number is not None else None
    if model._meta.app_label not in _TOLD:  # noqa: SLF001 - documented API
        return AuditRow(_only_what(entry), facility)
    is_confidential = number is not None and (facility is None or facility.is_confidential)
    return AuditRow(row_change(entry, names, is_confidential=is_confidential), facility)


def _only_what(entry: AuditEntry) -> RowChange:
    """Return which columns were changed, without a value: people and decisions are none of the registry's readers' business."""
    model = model_of(entry.table_name)
    before, after = entry.old_values or {}, entry.new_values or {}
    is_update = bool(before and after)
    fields = model._meta.concrete_fields if is_update else ()  # noqa: SLF001 - documented API
    changed = [field for field in fields if before.get(field.column) != after.get(field.column)]
    lines = tuple(Line(str(field.verbose_name), "", "changed") for field in changed)
    return RowChange(str(model._meta.verbose_name), entry.operation, lines)  # noqa: SLF001 - documented API


def tables_in_words() -> list[tuple[str, str]]:
    """Return (table, its rows in words) of every audited table, by their words."""
    every = (m for m in apps.get_models(include_auto_created=True) if hasattr(m, "audit_hides"))
    return sorted(((m._meta.db_table, str(m._meta.verbose_name)) for m in every), key=lambda pair: pair[1])  # noqa: SLF001 - documented API
