"""The lookups of fixtures/lookups.json as the stages see them, without a database."""

import json
from pathlib import Path

from etl.stages.clean import to_key
from etl.stages.records import Lookup, Reference
from geography.gazetteer import Gazetteer

LOOKUPS = json.loads((Path(__file__).parents[2] / "fixtures" / "lookups.json").read_text(encoding="utf-8"))


def _lookup(table: str) -> Lookup:
    code_by_text = {
        to_key(text): row["code"] for row in LOOKUPS[table] for text in (row["code"], row["name"], *row["aliases"])
    }
    return Lookup(codes=frozenset(code_by_text.values()), code_by_text=code_by_text)


def reference_with(gazetteer: Gazetteer) -> Reference:
    return Reference(
        gazetteer=gazetteer,
        facility_types=_lookup("facility_types"),
        kind_by_type={row["code"]: row["kind"] for row in LOOKUPS["facility_types"]},
        services=_lookup("service_categories"),
        statuses=_lookup("operational_statuses"),
        contact_types=_lookup("contact_types"),
    )
