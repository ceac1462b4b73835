"""A legacy facility that the registry has already: the registry's word is kept, and what differs is said."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.crypto import Unreadable
from etl.facility_rows import existing_state
from etl.legacy.children import CONTACTS, POSITIONS, SERVICES, LegacyContact, LegacyService
from etl.legacy.database import LegacyRow
from etl.legacy.ground import Ground
from etl.stages.plan import plan_change
from etl.stages.records import FacilityRecord
from facilities.models import Facility, FacilityContact

_KEPT = "its facility is in the registry, and does not have it (any more); the registry was kept as it is"


@dataclass(frozen=True, slots=True)
class Planned:
    """A facility that can land, with what belongs to it, before it is known whether the registry has it."""

    row: LegacyRow
    record: FacilityRecord
    services: tuple[LegacyService, ...]
    contacts: tuple[LegacyContact, ...]
    position_row: LegacyRow | None


def keep_standing(planned: Planned, facility: Facility, ground: Ground) -> None:
    """Write down that a facility, read with_details(), and what it has was there before; list what it does not have."""
    books, row = ground.books, planned.row
    books.find("facilities", row, facility.pk)
    ground.hidden[facility.pk] = facility.is_confidential
    state = existing_state(facility)
    wanted = plan_change(planned.record, code=facility.facility_code, existing=state, index_of=FacilityContact.index_of)
    changed = sorted({*wanted.fields} | ({"is_active"} if facility.is_active != planned.record.is_active else set()))
    if facility.facility_code != planned.record.facility_code:
        books.note("facilities", row, f"it was merged into {facility.facility_code}")
    elif changed:
        books.note("facilities", row, f"changed since in the registry, which was kept: {', '.join(changed)}")
    _find(SERVICES, ((one.row, one.code) for one in planned.services), _services(facility), ground)
    _find(CONTACTS, ((one.row, _key(one)) for one in planned.contacts if one.row), _contacts(facility), ground)
    if planned.position_row:
        _find(POSITIONS, [(planned.position_row, _degrees(planned.record))], _positions(facility), ground)


def _find(table: str, wanted: Iterable[tuple[LegacyRow, object]], there: dict[object, int], ground: Ground) -> None:
    for row, key in wanted:
        pk = there.get(key)
        if pk is None:
            ground.books.list(table, row, _KEPT)
        else:
            ground.books.find(table, row, pk)


def _services(facility: Facility) -> dict[object, int]:
    return {service.service_category.code: service.pk for service in facility.services.all()}


def _key(one: LegacyContact) -> tuple[str, str]:
    return one.contact.type, FacilityContact.index_of(one.contact.value)


def _contacts(facility: Facility) -> dict[object, int]:
    return {(contact.contact_type.code, contact.value_index): contact.pk for contact in facility.contacts.all()}


def _degrees(record: FacilityRecord) -> object:
    return record.position and (record.position.latitude, record.position.longitude)


def _positions(facility: Facility) -> dict[object, int]:
    position = getattr(facility, "coordinate", None)
    if position is None or isinstance(position.sealed_position, Unreadable):
        return {}
    return {position.degrees: position.pk}
