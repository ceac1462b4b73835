"""The peers: django-import-export and update_or_create() on the same facilities, as one would write them by hand.

They are given the pipeline's own canonical records, flat and clean, before the clock starts, and load facilities, contacts,
services and coordinates alone: no file is read, nothing is validated, cleaned, matched or kept in a ledger.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from import_export import fields, resources, widgets
from import_export.instance_loaders import CachedInstanceLoader
from tablib import Dataset

from benchmarks.delivery import loadable_records
from etl.facility_rows import RowIds
from etl.reference import read_reference
from etl.stages.records import FacilityRecord
from facilities.models import (
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    FacilityType,
    OperationalStatus,
)
from geography.models import Constituency, County, Ward

COLUMNS = (
    "facility_code", "facility_name", "registration_number", "facility_type", "operational_status", "county",
    "constituency", "ward", "address", "town", "level", "ownership", "opening_hours", "website", "has_gender_desk",
    "is_confidential",
)  # fmt: skip


@dataclass(slots=True)
class Children:
    """Makes the children of facilities, unsaved, from the cells "contacts", "services", "latitude" and "longitude" of a row."""

    ids: RowIds = field(default_factory=RowIds.read)

    def contacts(self, facility: Facility, row: dict[str, Any]) -> Iterable[FacilityContact]:
        """Yield the contacts; the first of each type is the primary one."""
        primary: set[str] = set()
        for cell in filter(None, row["contacts"].split(";")):
            kind, _, value = cell.partition(":")
            yield FacilityContact(
                facility=facility,
                contact_type_id=self.ids.contact_type[kind],
                contact_value=value,
                value_index=FacilityContact.index_of(value),
                is_primary=kind not in primary,
            )
            primary.add(kind)

    def services(self, facility: Facility, row: dict[str, Any]) -> Iterable[FacilityService]:
        """Yield the services."""
        for code in filter(None, row["services"].split(";")):
            yield FacilityService(facility=facility, service_category_id=self.ids.service[code])

    def coordinates(self, facility: Facility, row: dict[str, Any]) -> Iterable[FacilityCoordinate]:
        """Yield the position, sealed for a confidential place."""
        if not row["latitude"]:
            return
        place = FacilityCoordinate(facility=facility, accuracy_level=row["accuracy"])
        if facility.is_confidential:
            place.sealed_position = f"{row['latitude']},{row['longitude']}"
        else:
            place.latitude, place.longitude = row["latitude"], row["longitude"]
        yield place


def to_row(record: FacilityRecord) -> dict[str, Any]:
    """Return a record as a flat row of text, as a spreadsheet would hold it."""
    position = record.position
    return {
        "facility_code": record.facility_code,
        "facility_name": record.name,
        "registration_number": record.registration_number or None,
        "facility_type": record.facility_type,
        "operational_status": record.status,
        "county": record.county_code,
        "constituency": record.constituency_code,
        "ward": record.ward_code,
        "address": record.address,
        "town": record.town,
        "level": record.level,
        "ownership": record.ownership,
        "opening_hours": record.opening_hours,
        "website": record.website,
        "has_gender_desk": record.has_gender_desk,
        "is_confidential": record.is_confidential,
        "contacts": ";".join(f"{contact.type}:{contact.value}" for contact in record.contacts),
        "services": ";".join(record.services),
        "latitude": str(position.latitude) if position else "",
        "longitude": str(position.longitude) if position else "",
        "accuracy": position.accuracy.value if position else "",
    }


# the foreign keys of a row, each by the code that stands in its cell
TARGETS = {
    "facility_type": (FacilityType, "code"),
    "operational_status": (OperationalStatus, "code"),
    "county": (County, "county_code"),
    "constituency": (Constituency, "constituency_code"),
    "ward": (Ward, "ward_code"),
}


def _by_code(name: str) -> fields.Field:
    return fields.Field(name, name, widgets.ForeignKeyWidget(*TARGETS[name]))


class FacilityResource(resources.ModelResource):
    """As the library's documentation begins: row by row, children in the hook after each row."""

    facility_type = _by_code("facility_type")
    operational_status = _by_code("operational_status")
    county = _by_code("county")
    constituency = _by_code("constituency")
    ward = _by_code("ward")

    def before_import(self, dataset: Dataset, **_: Any) -> None:  # noqa: ARG002 - the library's signature
        """Read the lookups once."""
        self.children = Children()

    def before_save_instance(self, instance: Facility, row: dict[str, Any], **_: Any) -> None:  # noqa: ARG002 - as above
        """Leave a registration number out that is none: text cells have no other word for it than ""."""
        instance.registration_number = instance.registration_number or None

    def after_save_instance(self, instance: Facility, row: dict[str, Any], **_: Any) -> None:
        """Write the children of one facility."""
        for make in (self.children.contacts, self.children.services, self.children.coordinates):
            for child in make(instance, row):
                child.save()

    def after_import(self, dataset: Dataset, result: Any, **_: Any) -> None:
        """Leave the sequence alone, which the library sets anew: the application role may not, and no number was given."""

    class Meta:
        model = Facility
        import_id_fields = ("facility_code",)
        fields = COLUMNS


class BulkResource(FacilityResource):
    """The library's bulk mode; its hooks allow children after each batch of facilities."""

    def after_init_instance(self, instance: Facility, new: bool, row: dict[str, Any], **_: Any) -> None:  # noqa: ARG002 - the library's signature
        """Remember the row for its children."""
        instance.row = row

    def before_save_instance(self, instance: Facility, row: dict[str, Any], **_: Any) -> None:
        """Seal a confidential place, since bulk mode calls no save()."""
        super().before_save_instance(instance, row)
        if instance.is_confidential:
            instance.seal_columns()

    def after_save_instance(self, instance: Facility, row: dict[str, Any], **_: Any) -> None:
        """Write nothing yet: the facility has no number."""

    def bulk_create(self, *args: Any, **kwargs: Any) -> None:
        """Create a batch of facilities, then their children, one statement a table."""
        created = list(self.create_instances)
        super().bulk_create(*args, **kwargs)
        for model, make in (
            (FacilityContact, self.children.contacts),
            (FacilityService, self.children.services),
            (FacilityCoordinate, self.children.coordinates),
        ):
            model.objects.bulk_create([child for facility in created for child in make(facility, facility.row)])

    class Meta(FacilityResource.Meta):
        use_bulk = True


class TunedResource(BulkResource):
    """Bulk mode with everything that its documentation names for speed: no diffs, existing rows and lookups read at once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, target in TARGETS.items():
            self.fields[name].widget = widgets.CachedForeignKeyWidget(*target)

    class Meta(BulkResource.Meta):
        skip_diff = True
        instance_loader_class = CachedInstanceLoader


def import_export(
    folder: Path, sources: Sequence[str], resource: type[FacilityResource]
) -> Callable[[], dict[str, Any]]:
    """Return the import of a delivery's sound records by a resource, in one transaction that commits."""
    rows = [to_row(record) for record in loadable_records(folder, sources, read_reference())]
    data = Dataset(*(tuple(row.values()) for row in rows), headers=tuple(rows[0]))

    def timed() -> dict[str, Any]:
        result = resource().import_data(data, raise_errors=True, use_transactions=True)
        assert result.totals["new"] == len(rows), result.totals
        return {"totals": {"read": len(rows), "created": result.totals["new"]}}

    return timed


def update_or_create(folder: Path, sources: Sequence[str]) -> Callable[[], dict[str, Any]]:
    """Return the import of a delivery's sound records row by row, each facility in a transaction with its children."""
    records = list(loadable_records(folder, sources, read_reference()))
    children = Children()
    type_codes = set(FacilityType.objects.values_list("code", flat=True))

    def timed() -> dict[str, Any]:
        for record in records:
            with transaction.atomic():
                _update_or_create(record, children, type_codes)
        return {"totals": {"read": len(records), "created": len(records)}}

    return timed


def _update_or_create(record: FacilityRecord, children: Children, type_codes: set[str]) -> None:
    ids, row = children.ids, to_row(record)
    plain = ("facility_name", "registration_number", "address", "town", "level", "ownership", "opening_hours", "website",
             "has_gender_desk", "is_confidential")  # fmt: skip
    facility, _ = Facility.objects.update_or_create(
        facility_code=record.facility_code,
        defaults={name: row[name] for name in plain}
        | {
            "facility_type_id": record.facility_type if record.facility_type in type_codes else None,
            "operational_status_id": ids.status.get(record.status),
            "county_id": ids.county[record.county_code],
            "constituency_id": ids.constituency.get(record.constituency_code),
            "ward_id": ids.ward.get(record.ward_code),
        },
    )
    for contact in children.contacts(facility, row):
        FacilityContact.objects.update_or_create(
            facility=facility, contact_type_id=contact.contact_type_id, value_index=contact.value_index,
            defaults={"contact_value": contact.contact_value, "is_primary": contact.is_primary},
        )  # fmt: skip
    for service in children.services(facility, row):
        FacilityService.objects.update_or_create(
            facility=facility, service_category_id=service.service_category_id, defaults={"is_active": True}
        )
    for place in children.coordinates(facility, row):
        names = ("latitude", "longitude", "sealed_position", "accuracy_level")
        FacilityCoordinate.objects.update_or_create(
            facility=facility, defaults={name: getattr(place, name) for name in names}
        )
