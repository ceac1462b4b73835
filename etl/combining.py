"""The rows of a merge: what a facility that goes leaves to the one that stays, and how it comes back as it was."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from django.db import connection
from django.db.models import F

from core.models import User
from etl.models import SourceRecord
from etl.restore import lay_out, restore_rows
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService, Pin, RetiredCode
from facilities.pin_targets import POSITION, contact_target, service_target

_PLACE_COLUMNS = ("county", "constituency", "ward")


def absorb(gone: Facility, into: Facility, *, session: str, user: User, waived: AbstractSet[str] = frozenset()) -> None:
    """Retire a facility: its records and codes go to the other one, with what is pinned on it and there is not.

    `waived` names pins that do not come along, since a person chose the other side's word. The stricter protection class wins.
    The golden record is not folded here.
    """
    own = _own_class(into)
    retired = RetiredCode(
        retired_code=gone.facility_code, facility=into, facility_was=gone.pk, session_id=session,
        was_confidential=_own_class(gone), retired_by=user,
    )  # fmt: skip
    retired.save()
    RetiredCode.objects.filter(facility=gone).update(facility=into)
    SourceRecord.objects.filter(facility=gone, home__isnull=True).update(home=retired)
    SourceRecord.objects.filter(facility=gone).update(facility=into)
    bequest = _Bequest(gone, into, waived)
    pins = bequest.pins(retired)
    gone.delete()
    bequest.hand_over()
    Pin.objects.bulk_create(pins)
    _set_class(into, own=own)


def release(retired: RetiredCode) -> Facility:
    """Bring a retired facility back as it was, with its records; the other one keeps its own. Neither is folded here."""
    survivor = Facility.objects.select_for_update().get(pk=retired.facility_id)
    own = _own_class(survivor)
    assert retired.facility_was is not None
    with connection.cursor() as cursor:
        lay_out(cursor, retired.session_id, [retired.facility_was])
        # what it had absorbed itself stays where it is now, and so do pairs
        cursor.execute(
            "DELETE FROM undo_rows WHERE image->>'came_with_id' IS NOT NULL"
            " OR COALESCE(image->>'facility_id', '') <> %s",
            [str(retired.facility_was)],
        )
        _free_number(cursor, survivor)
        restore_rows(cursor)
    back = Facility.objects.get(pk=retired.facility_was)
    back.is_confidential = retired.was_confidential
    back.save(update_fields=["is_confidential"])
    SourceRecord.objects.filter(home=retired).update(facility=back, home=None)
    retired.delete()  # and the pins that came with it
    _set_class(survivor, own=own)
    return back


def _free_number(cursor: Any, survivor: Facility) -> None:
    """Let the registration number of what comes back be free: the survivor gives it up, a third facility keeps it."""
    cursor.execute("SELECT image->>'registration_number' FROM undo_rows WHERE table_name = 'facilities'")
    (number,) = cursor.fetchone() or (None,)
    if not number:
        return
    Facility.objects.filter(pk=survivor.pk, registration_number=number).update(registration_number=None)
    if Facility.objects.filter(registration_number=number).exists():
        cursor.execute("UPDATE undo_rows SET image = image - 'registration_number' WHERE table_name = 'facilities'")


def _own_class(facility: Facility) -> bool:
    """Return whether a facility is confidential by its own word, and not only because of one that was merged into it."""
    return facility.is_confidential and not facility.retired_codes.filter(raised=True).exists()


def _set_class(facility: Facility, *, own: bool) -> None:
    """Make a facility as confidential as itself and all that it absorbed; nothing else lowers it but two people."""
    parts = RetiredCode.objects.filter(facility=facility)
    parts.update(raised=F("was_confidential") if not own else False)
    is_confidential = own or parts.filter(was_confidential=True).exists()
    if facility.is_confidential != is_confidential:
        facility.is_confidential = is_confidential
        facility.save(update_fields=["is_confidential"])
    facility.seal_position()


class _Bequest:
    """What a person pinned on a facility that goes, and nobody pinned on the one that stays."""

    def __init__(self, gone: Facility, into: Facility, waived: AbstractSet[str]) -> None:
        self._gone, self._into = gone, into
        theirs = {pin.target for pin in into.pins.all()}
        if theirs & set(_PLACE_COLUMNS):
            theirs |= set(_PLACE_COLUMNS)  # a place is pinned whole
        self._pins = [pin for pin in gone.pins.all() if pin.target not in theirs | waived]
        self._targets = {pin.target for pin in self._pins}
        self._contacts = [
            contact
            for contact in gone.contacts.select_related("contact_type")
            if contact_target(contact.contact_type.code, contact.value_index) in self._targets
        ]
        self._services = [
            service
            for service in gone.services.select_related("service_category")
            if service_target(service.service_category.code) in self._targets
        ]
        self._position = FacilityCoordinate.objects.filter(facility=gone).first() if POSITION in self._targets else None

    def pins(self, retired: RetiredCode) -> list[Pin]:
        """Return the pins for the facility that stays; one that came from further off still says from where."""
        return [
            Pin(
                facility=self._into,
                target=pin.target,
                pinned_by=pin.pinned_by,
                came_with_id=pin.came_with_id or retired.pk,
            )
            for pin in self._pins
        ]

    def hand_over(self) -> None:
        """Write the pinned values on the facility that stays, once the other one holds them no more."""
        columns = set(self._columns())
        for name in columns:
            setattr(self._into, name, getattr(self._gone, name))
        if columns:
            self._into.save(update_fields=sorted(columns))
        for contact in self._contacts:
            known = self._into.contacts.filter(contact_type=contact.contact_type, value_index=contact.value_index)
            if not known.exists():
                row = FacilityContact(facility=self._into, contact_type=contact.contact_type)
                row.contact_value, row.value_index = contact.contact_value, contact.value_index
                row.save()
        for service in self._services:
            FacilityService.objects.update_or_create(
                facility=self._into,
                service_category=service.service_category,
                defaults={"is_active": service.is_active},
            )
        if POSITION in self._targets:
            FacilityCoordinate.objects.filter(facility=self._into).delete()
            if self._position:
                self._position.pk, self._position.facility = None, self._into
                self._position.save(force_insert=True)

    def _columns(self) -> Iterable[str]:
        names = {field.name for field in Facility._meta.concrete_fields}  # noqa: SLF001 - documented API
        for target in self._targets & names:
            yield from _PLACE_COLUMNS if target in _PLACE_COLUMNS else (target,)
