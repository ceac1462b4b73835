"""The peer: a django-import-export resource for the same records, as one would write it by hand."""

from typing import Any

from import_export import fields, resources, widgets
from tablib import Dataset

from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityService,
    FacilityType,
    OperationalStatus,
    ServiceCategory,
)
from geography.models import Constituency, County, Ward

SERVICE_CODES = {
    "PRC": "post-rape-care", "Counselling": "counselling", "HIV/PEP": "hiv-pep", "Outpatient": "outpatient",
    "Lab": "laboratory", "Pharmacy": "pharmacy",
}  # fmt: skip
TYPE_CODES = {
    "Dispensary": "dispensary", "Health Centre": "health-centre", "Medical Clinic": "clinic", "Hospital": "hospital",
    "Nursing Home": "nursing-home",
}  # fmt: skip


class FacilityResource(resources.ModelResource):
    """The same columns, contact and services as the pipeline loads; it keeps no ledger, cleans nothing and matches nothing."""

    county = fields.Field("county", "county", widgets.ForeignKeyWidget(County, "county_name"))
    constituency = fields.Field(
        "constituency", "constituency", widgets.ForeignKeyWidget(Constituency, "constituency_name")
    )
    facility_type = fields.Field("facility_type", "facility_type", widgets.ForeignKeyWidget(FacilityType, "code"))
    operational_status = fields.Field(
        "operational_status", "operational_status", widgets.ForeignKeyWidget(OperationalStatus, "code")
    )
    ward = fields.Field("ward", "ward", widgets.ForeignKeyWidget(Ward, "ward_code"))

    def after_save_instance(self, instance: Facility, row: dict[str, Any], **_: Any) -> None:
        """Write the children, row by row as the library's hooks do."""
        FacilityContact.objects.create(
            facility=instance, contact_type_id=self.phone_id, contact_value=row["phone"], is_primary=True
        )
        for code in row["services"].split(";"):
            FacilityService.objects.create(facility=instance, service_category_id=self.service_ids[code])

    def before_import(self, dataset: Dataset, **_: Any) -> None:  # noqa: ARG002 - the library's signature
        """Read the lookups once."""
        self.phone_id = ContactType.objects.get(code="phone").pk
        self.service_ids = dict(ServiceCategory.objects.values_list("code", "pk"))

    class Meta:
        model = Facility
        import_id_fields = ("facility_code",)
        fields = (
            "facility_code", "facility_name", "registration_number", "town", "ownership", "county", "constituency", "ward",
            "facility_type", "operational_status", "level", "opening_hours", "website", "address", "is_confidential",
        )  # fmt: skip


def to_dataset(records: list[dict[str, Any]], ward_code_by_name: dict[tuple[str, str], str]) -> Dataset:
    """Return the flat table that the resource reads: places are exact already, and codes are given."""
    data = Dataset(headers=(*FacilityResource.Meta.fields, "phone", "services"))
    for record in records:
        place = record["location"]
        data.append(
            (
                f"PEER-{record['mfl_code']}", record["name"], f"PEER/{record['mfl_code']}", place["town"], record["ownership"],
                record["county"], place["constituency"], ward_code_by_name[place["constituency"], place["ward"]],
                TYPE_CODES[record["type"]], "operational", "", "", "", "", False,
                record["contacts"]["phone"], ";".join(SERVICE_CODES[text] for text in record["services"]),
            ),
        )  # fmt: skip
    return data
