"""The peer: a django-import-export resource for the same records, as one would write it by hand."""

from typing import Any

from import_export import fields, resources, widgets
from tablib import Dataset

from facilities.models import Facility
from geography.models import Constituency, County, Ward


class FacilityResource(resources.ModelResource):
    """Facility columns only: it keeps no ledger, cleans nothing, matches nothing and loads no child rows."""

    county = fields.Field("county", "county", widgets.ForeignKeyWidget(County, "county_name"))
    constituency = fields.Field(
        "constituency", "constituency", widgets.ForeignKeyWidget(Constituency, "constituency_name")
    )
    ward = fields.Field("ward", "ward", widgets.ForeignKeyWidget(Ward, "ward_code"))

    class Meta:
        model = Facility
        import_id_fields = ("facility_code",)
        fields = (
            "facility_code",
            "facility_name",
            "registration_number",
            "town",
            "ownership",
            "county",
            "constituency",
            "ward",
        )


def to_dataset(records: list[dict[str, Any]], ward_code_by_name: dict[tuple[str, str], str]) -> Dataset:
    """Return the flat table that the resource reads: places are exact already, and codes are given."""
    data = Dataset(headers=FacilityResource.Meta.fields)
    for record in records:
        place = record["location"]
        data.append(
            (
                f"PEER-{record['mfl_code']}", record["name"], f"PEER/{record['mfl_code']}", place["town"], record["ownership"],
                record["county"], place["constituency"], ward_code_by_name[place["constituency"], place["ward"]],
            ),
        )  # fmt: skip
    return data
