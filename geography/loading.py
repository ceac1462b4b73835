"""Loads the closed reference data of geography from fixtures/: idempotent, and the only place that writes it."""

import csv
from pathlib import Path

from django.db import models, transaction

from geography.models import Constituency, County, PlaceAlias, Ward


@transaction.atomic
def load_geography(folder: Path) -> dict[str, int]:
    """Return how many counties, constituencies, wards and aliases stand after loading geography.csv and place_aliases.csv."""
    rows = _read(folder / "geography.csv")
    _upsert(County, "county_code", {r["county_code"]: {"county_name": r["county"]} for r in rows})
    county_ids = dict(County.objects.values_list("county_code", "pk"))
    _upsert(
        Constituency,
        "constituency_code",
        {
            r["constituency_code"]: {"constituency_name": r["constituency"], "county_id": county_ids[r["county_code"]]}
            for r in rows
        },
    )
    constituency_ids = dict(Constituency.objects.values_list("constituency_code", "pk"))
    _upsert(
        Ward,
        "ward_code",
        {
            r["ward_code"]: {"ward_name": r["ward"], "constituency_id": constituency_ids[r["constituency_code"]]}
            for r in rows
        },
    )
    aliases = [PlaceAlias(**row, is_shipped=True) for row in _read(folder / "place_aliases.csv")]
    _withdraw_aliases(aliases)
    PlaceAlias.objects.bulk_create(
        aliases,
        update_conflicts=True,
        unique_fields=["level", "alias", "parent_code", "target_code"],
        update_fields=["kind", "evidence", "is_shipped"],
    )
    tables: dict[str, type[models.Model]] = {
        "counties": County, "constituencies": Constituency, "wards": Ward, "aliases": PlaceAlias,
    }  # fmt: skip
    return {name: model._default_manager.count() for name, model in tables.items()}  # noqa: SLF001 - documented API


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _upsert(model: type[models.Model], code: str, fields_by_code: dict[str, dict[str, object]]) -> None:
    """Insert what is new and update what is there, by code; one statement, no row of another code is touched."""
    rows = [model(**{code: value}, **fields) for value, fields in fields_by_code.items()]
    update_fields = [name.removesuffix("_id") for name in next(iter(fields_by_code.values()))]
    model._default_manager.bulk_create(  # noqa: SLF001 - documented API
        rows,
        update_conflicts=True,
        unique_fields=[code],
        update_fields=update_fields,
    )


def _withdraw_aliases(aliases: list[PlaceAlias]) -> None:
    """Delete what was shipped before and is no longer; aliases that admins added stay."""
    shipped = {(alias.level, alias.alias, alias.parent_code, alias.target_code) for alias in aliases}
    old = PlaceAlias.objects.filter(is_shipped=True).values_list("pk", "level", "alias", "parent_code", "target_code")
    PlaceAlias.objects.filter(pk__in=[pk for pk, *key in old if tuple(key) not in shipped]).delete()
