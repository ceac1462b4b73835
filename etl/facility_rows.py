"""Facility rows and their children: read as the planner sees them, written as it planned, in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

from django.db import models
from django.db.models import Q

from core.crypto import Unreadable
from core.models import User
from etl.stages.plan import PLACE, Action, Change, ContactKey, FacilityState, PlannedPosition
from etl.stages.records import Accuracy, FacilityRecord
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    OperationalStatus,
    Pin,
    ServiceCategory,
)
from facilities.protection import Details
from facilities.sealing import seal_history
from geography.models import Constituency, County, Ward

# Every column that an import may change; the others are the row's own (code, created_at, created_by).
MUTABLE_COLUMNS = (
    "registration_number", "facility_name", "facility_type", "operational_status", "county", "constituency", "ward",
    "address", "town", "level", "ownership", "opening_hours", "website", "has_gender_desk", "is_confidential", "sealed_details",
    "is_active", "updated_by", "updated_at",
)  # fmt: skip


# The columns, and names of pins, of the planner's fields; where nothing stands here both are called alike.
_COLUMN_BY_FIELD = {
    "name": "facility_name", "status": "operational_status",
    "county_code": "county", "constituency_code": "constituency", "ward_code": "ward",
}  # fmt: skip
_FIELD_BY_COLUMN = {column: name for name, column in _COLUMN_BY_FIELD.items()}


def column_of(name: str) -> str:
    """Return the column, and the pin's target, of a field of plan.FIELDS."""
    return _COLUMN_BY_FIELD.get(name, name)


PLACE_COLUMNS = tuple(column_of(name) for name in PLACE)
NO_DETAILS = Details(*[""] * len(fields_of(Details)))
# what lies in the sealed column of a confidential place, as the planner calls it
SEALED_FIELDS = frozenset({"name"} | {field.name for field in fields_of(Details)} - {"facility_name"})


@dataclass(frozen=True, slots=True)
class RowIds:
    """Surrogate keys by stable code, read once per run."""

    county: Mapping[str, int]
    constituency: Mapping[str, int]
    ward: Mapping[str, int]
    status: Mapping[str, int]
    service: Mapping[str, int]
    contact_type: Mapping[str, int]

    @classmethod
    def read(cls) -> "RowIds":
        def by_code(model: type[models.Model], column: str) -> dict[str, int]:
            return dict(model._default_manager.values_list(column, "pk"))  # noqa: SLF001 - Django's documented API

        return cls(
            county=by_code(County, "county_code"),
            constituency=by_code(Constituency, "constituency_code"),
            ward=by_code(Ward, "ward_code"),
            status=by_code(OperationalStatus, "code"),
            service=by_code(ServiceCategory, "code"),
            contact_type=by_code(ContactType, "code"),
        )


def existing_state(facility: Facility) -> FacilityState:
    """Return a facility, read with_details(), as the planner sees it; sealed values stay what they are."""
    position, details = getattr(facility, "coordinate", None), facility.details
    sealed = {"address": facility.address, "position": position and position.sealed_position}
    unreadable = frozenset(name for name, value in sealed.items() if isinstance(value, Unreadable))
    if details is None:
        details, unreadable = NO_DETAILS, unreadable | SEALED_FIELDS
    return FacilityState(
        fields={
            "registration_number": details.registration_number,
            "name": details.facility_name,
            "facility_type": facility.facility_type_id or "",
            "county_code": facility.county.county_code,
            "constituency_code": details.constituency_code,
            "ward_code": details.ward_code,
            "town": details.town,
            "address": facility.address,
            "level": facility.level,
            "ownership": details.ownership,
            "opening_hours": details.opening_hours,
            "website": details.website,
            "status": facility.operational_status.code if facility.operational_status else "",
            "has_gender_desk": facility.has_gender_desk,
            "is_confidential": facility.is_confidential,
            "is_active": facility.is_active,
        },
        contacts={ContactKey(c.contact_type.code, c.value_index): c.is_primary for c in facility.contacts.all()},
        services=frozenset(s.service_category.code for s in facility.services.all() if s.is_active),
        position=_planned_position(position) if position and "position" not in unreadable else None,
        unreadable=unreadable,
    )


def pinned_targets(facility: Facility) -> frozenset[str]:
    """Return what a person pinned on a facility, read with_details(), in the planner's names; a place is pinned whole."""
    return planned_targets(facility.pins.all())


def planned_targets(pins: Iterable[Pin]) -> frozenset[str]:
    """Return what pins hold in the planner's names; a place is pinned whole."""
    targets = {_FIELD_BY_COLUMN.get(pin.target, pin.target) for pin in pins}
    return frozenset(targets.union(PLACE) if targets & set(PLACE) else targets)


def _planned_position(row: FacilityCoordinate) -> PlannedPosition | None:
    degrees = row.degrees
    return degrees and PlannedPosition(
        *degrees, Accuracy(row.accuracy_level), is_sealed=row.sealed_position is not None
    )


@dataclass(frozen=True, slots=True)
class FacilityWriter:
    """Writes changes in a constant number of statements per batch; rows that do not change are not written."""

    ids: RowIds
    user: User

    def write(
        self,
        changes: Sequence[Change],
        *,
        goldens: Sequence[FacilityRecord],
        facilities: Sequence[Facility | None],
    ) -> dict[str, int]:
        """Return the id of each facility by its code, after its row and its children say what was planned."""
        id_by_code = {facility.facility_code: facility.pk for facility in facilities if facility}
        rows = [
            self._row(change, facility)
            for change, facility in zip(changes, facilities, strict=True)
            if change.action is not Action.KEEP  # a change of its children is a change of the facility
        ]
        rows.sort(key=lambda row: row.facility_code)  # two writers lock in the same order
        Facility.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["facility_code"],
            update_fields=MUTABLE_COLUMNS,
        )
        id_by_code |= {row.facility_code: row.pk for row in rows}
        changed = [
            (change, golden)
            for change, golden in zip(changes, goldens, strict=True)
            if change.action is not Action.KEEP
        ]
        changed.sort(key=lambda both: both[0].facility_code)
        self._write_contacts(changed, id_by_code)
        self._write_services([change for change, _ in changed], id_by_code)
        self._write_positions([change for change, _ in changed if change.position_changed], id_by_code)
        self._seal_past(changes, facilities)
        return id_by_code

    @staticmethod
    def _seal_past(changes: Sequence[Change], facilities: Sequence[Facility | None]) -> None:
        """Seal what was written before of the facilities that turn confidential."""
        raised = [f.pk for c, f in zip(changes, facilities, strict=True) if f and _turns_confidential(c, f)]
        if raised:
            seal_history(raised)

    def _row(self, change: Change, existing: Facility | None) -> Facility:
        fields: dict[str, Any] = dict(change.target.fields)
        if existing and "address" not in change.fields:
            fields["address"] = existing.address  # with its token
        row = facility_row(change.facility_code, fields, ids=self.ids)
        row.created_by = row.updated_by = self.user
        if row.is_confidential:
            is_unreadable = "name" in change.target.unreadable
            row.hold_sealed(
                None if is_unreadable else details_of(fields), before=existing.sealed_details if existing else None
            )
        return row

    def _write_contacts(self, changed: Sequence[tuple[Change, FacilityRecord]], id_by_code: Mapping[str, int]) -> None:
        """Remove, then take the primary mark off, then upsert: one primary per type holds after every statement."""
        removed = demoted = Q(pk__in=[])
        rows = []
        for change, golden in changed:
            facility_id = id_by_code[change.facility_code]
            for key in change.contacts_to_remove:
                removed |= self._contact(facility_id, key)
            value_by_key = {
                ContactKey(contact.type, FacilityContact.index_of(contact.value)): contact.value
                for contact in golden.contacts
            }
            for key, is_primary in change.contacts_to_set.items():
                if not is_primary and change.action is Action.UPDATE:
                    demoted |= self._contact(facility_id, key)
                rows.append(
                    FacilityContact(
                        facility_id=facility_id,
                        contact_type_id=self.ids.contact_type[key.type],
                        contact_value=value_by_key[key],
                        value_index=key.index,
                        is_primary=is_primary,
                    ),
                )
        if removed != Q(pk__in=[]):
            FacilityContact.objects.filter(removed).delete()
        if demoted != Q(pk__in=[]):
            FacilityContact.objects.filter(demoted).update(is_primary=False)
        FacilityContact.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["facility", "contact_type", "value_index"],
            update_fields=["is_primary"],
        )

    def _contact(self, facility_id: int, key: ContactKey) -> Q:
        return Q(facility=facility_id, contact_type=self.ids.contact_type[key.type], value_index=key.index)

    def _write_services(self, changed: Sequence[Change], id_by_code: Mapping[str, int]) -> None:
        removed = Q(pk__in=[])
        rows = []
        for change in changed:
            facility_id = id_by_code[change.facility_code]
            gone = [self.ids.service[code] for code in change.services_to_remove]
            if gone:
                removed |= Q(facility=facility_id, service_category__in=gone)
            rows += [
                FacilityService(facility_id=facility_id, service_category_id=self.ids.service[code], is_active=True)
                for code in sorted(change.services_to_add)
            ]
        if removed != Q(pk__in=[]):
            FacilityService.objects.filter(removed).delete()
        FacilityService.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["facility", "service_category"],
            update_fields=["is_active"],
        )

    def _write_positions(self, changed: Sequence[Change], id_by_code: Mapping[str, int]) -> None:
        gone = [id_by_code[change.facility_code] for change in changed if change.target.position is None]
        if gone:
            FacilityCoordinate.objects.filter(facility__in=gone).delete()
        rows = [
            coordinate_row(id_by_code[change.facility_code], change.target.position)
            for change in changed
            if change.target.position
        ]
        FacilityCoordinate.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["facility"],
            update_fields=["latitude", "longitude", "sealed_position", "accuracy_level"],
        )


def facility_row(code: str, fields: Mapping[str, Any], *, ids: RowIds) -> Facility:
    """Return the row of a facility that says these fields of the planner; that of a confidential place is to be sealed yet."""
    return Facility(
        facility_code=code,
        registration_number=fields["registration_number"] or None,
        facility_name=fields["name"],
        facility_type_id=fields["facility_type"] or None,
        operational_status_id=ids.status.get(fields["status"]),
        county_id=ids.county[fields["county_code"]],
        constituency_id=ids.constituency.get(fields["constituency_code"]),
        ward_id=ids.ward.get(fields["ward_code"]),
        address=fields["address"],
        town=fields["town"],
        level=fields["level"],
        ownership=fields["ownership"],
        opening_hours=fields["opening_hours"],
        website=fields["website"],
        has_gender_desk=fields["has_gender_desk"],
        is_confidential=fields["is_confidential"],
        is_active=fields["is_active"],
    )


def details_of(fields: Mapping[str, Any]) -> Details:
    """Return what the sealed column holds of a confidential place that says these fields of the planner."""
    return Details(
        facility_name=fields["name"],
        **{name: fields[name] for name in SEALED_FIELDS if name != "name"},
    )


def coordinate_row(facility_id: int, position: PlannedPosition) -> FacilityCoordinate:
    """Return the row of a position, open or sealed as it was planned."""
    row = FacilityCoordinate(facility_id=facility_id, accuracy_level=position.accuracy.value)
    if position.is_sealed:
        row.sealed_position = f"{position.latitude},{position.longitude}"
    else:
        row.latitude, row.longitude = position.latitude, position.longitude
    return row


def _turns_confidential(change: Change, facility: Facility) -> bool:
    return bool(change.target.fields["is_confidential"]) and not facility.is_confidential
