"""Loads the lookups (types, services, statuses, contact types) from fixtures/lookups.json; idempotent."""

import json
from pathlib import Path
from typing import Any

from django.db import transaction

from facilities.models import ContactType, FacilityType, Lookup, OperationalStatus, ServiceCategory

_MODELS: dict[str, tuple[type[Lookup], str]] = {
    "operational_statuses": (OperationalStatus, "status_name"),
    "service_categories": (ServiceCategory, "category_name"),
    "contact_types": (ContactType, "type_name"),
    "facility_types": (FacilityType, "type_name"),
}


@transaction.atomic
def load_lookups(path: Path) -> dict[str, int]:
    """Return how many rows each lookup has after loading; rows and aliases that admins added stay."""
    tables: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    for table, rows in tables.items():
        model, name_column = _MODELS[table]
        extra = ["kind"] if model is FacilityType else []
        added = {row.code: row.aliases for row in model._default_manager.all()}  # noqa: SLF001 - documented API
        model._default_manager.bulk_create(  # noqa: SLF001 - documented API
            [
                model(
                    code=row["code"],
                    aliases=_united(row["aliases"], added.get(row["code"], [])),
                    **{name_column: row["name"]},
                    **{k: row[k] for k in extra},
                )
                for row in rows
            ],
            update_conflicts=True,
            unique_fields=["code"],
            update_fields=[name_column, "aliases", *extra],
        )
    return {table: model._default_manager.count() for table, (model, _) in _MODELS.items()}  # noqa: SLF001 - documented API


def _united(shipped: list[str], added: list[str]) -> list[str]:
    return list(dict.fromkeys([*shipped, *added]))
