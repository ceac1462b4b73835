"""The rows of a merge: what a facility that goes leaves to the one that stays, and how it comes back as it was."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from core.crypto import Unreadable, decrypt
from core.models import Approval, AuditEntry, User
from etl.errors import DecisionError
from etl.facility_rows import PLACE_COLUMNS
from etl.models import SourceRecord, SourceRecordVersion
from etl.restore import lay_out, restore_rows
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService, Pin, RetiredCode
from facilities.pin_targets import POSITION, contact_target, service_target
from facilities.protection import Details
from facilities.sealing import seal_history


def absorb(gone: Facility, into: Facility, *, session: str, user: User, waived: AbstractSet[str] = frozenset()) -> None:
    """Retire a facility: its records and codes go to the other one, with what is pinned on it and there is not.

    `waived` names pins that do not come along, since a person chose the other side's word. The stricter protection class wins,
    and what is in service on either side is. The golden record is not folded here.
    """
    own = own_class(into), _own_service(into)
    retired = RetiredCode(
        retired_code=gone.facility_code, facility=into, facility_was=gone.pk, session_id=session, retired_by=user,
        was_confidential=own_class(gone), was_active=_own_service(gone),
        into_was_confidential=own[0], into_was_active=own[1],
    )  # fmt: skip
    for part in gone.retired_codes.all():
        part.was_confidential |= raised_by_person(gone, since=part.retired_at)
        part.facility, part.into_was_confidential, part.into_was_active = into, *own
        part.save()
    retired.save()
    SourceRecord.objects.filter(facility=gone, home__isnull=True).update(home=retired)
    SourceRecord.objects.filter(facility=gone).update(facility=into)
    bequest = _Bequest(gone, into, waived)
    pins, gone_pk = bequest.pins(retired), gone.pk
    gone.delete()
    bequest.hand_over()
    Pin.objects.bulk_create(pins)
    _settle(into, is_confidential=own[0], is_active=own[1] or retired.was_active)
    close_requests([gone_pk, into.pk])
    if into.is_confidential:
        seal_history([into.pk])  # and of what was merged into it, which is the same place


def release(retired: RetiredCode) -> tuple[Facility, bool]:
    """Bring a retired facility back as it was, with its records; the other one keeps its own. Neither is folded here.

    Returns it with the class that the other one has by its own word. That one stays confidential until it is folded: it
    still says what the one that left said. Raises DecisionError where no record of it is left.
    """
    if not SourceRecord.objects.filter(home=retired).exists():
        raise DecisionError(f"no source record of {retired} is left to bring back")
    survivor = Facility.objects.select_for_update().get(pk=retired.facility_id)
    own = own_class(survivor), _own_service(survivor)
    assert retired.facility_was is not None
    with connection.cursor() as cursor:
        lay_out(cursor, retired.session_id, [retired.facility_was])
        # what it had absorbed itself stays where it is now, and so do pairs
        cursor.execute(
            "DELETE FROM undo_rows WHERE image->>'came_with_id' IS NOT NULL"
            " OR COALESCE(image->>'facility_id', '') <> %s",
            [str(retired.facility_was)],
        )
        has_number = _free_number(cursor, survivor)
        restore_rows(cursor)
    back = Facility.objects.get(pk=retired.facility_was)
    back.is_confidential = (
        retired.was_confidential
        or raised_by_person(survivor, since=retired.retired_at)
        or _said_confidential(SourceRecordVersion.objects.filter(source_record__home=retired))
    )
    back.is_active = retired.was_active
    if not has_number:
        back.open_columns().registration_number = None
    back.save(update_fields=["is_confidential", "is_active"])
    SourceRecord.objects.filter(home=retired).update(facility=back, home=None)
    retired.delete()  # and the pins that came with it
    _settle(survivor, is_confidential=survivor.is_confidential, is_active=own[1])
    close_requests([back.pk, survivor.pk])
    return back, own[0]


def settle_class(facility: Facility, *, own: bool) -> None:
    """Give a facility that was folded after a split the stricter of its own class and those of what is left in it."""
    facility.refresh_from_db()
    facility.is_confidential = own or any(part.was_confidential for part in facility.retired_codes.all())
    facility.save(update_fields=["is_confidential"])


def close_requests(facilities: Collection[int]) -> None:
    """Refuse open requests to lower what is another place by now: they were asked about what it was."""
    asked = Approval.objects.filter(kind=Approval.Kind.LOWER_PROTECTION, state=Approval.State.OPEN)
    asked.filter(subject_id__in=facilities).update(state=Approval.State.REFUSED, decided_at=timezone.now())


def own_class(facility: Facility) -> bool:
    """Return whether a facility is confidential by its own word: before its merges, by a person, or by its sources ever."""
    parts = list(facility.retired_codes.all())
    if not facility.is_confidential or not parts:
        return facility.is_confidential
    if any(part.into_was_confidential for part in parts) or raised_by_person(facility):
        return True
    mine = {"source_record__facility": facility, "source_record__home__isnull": True}
    return _said_confidential(SourceRecordVersion.objects.filter(**mine))


def _said_confidential(versions: QuerySet[SourceRecordVersion]) -> bool:
    """Return whether a source ever said so; what no key opens may have."""
    said = (version.standardised for version in versions.filter(loaded_in__isnull=False).only("standardised"))
    return any(isinstance(words, Unreadable) or words["is_confidential"] for words in said)


def raised_by_person(facility: Facility, *, since: datetime | None = None) -> bool:
    """Return whether somebody, and no run, made a facility confidential, ever or since a time: the audit trail knows."""
    raised = AuditEntry.objects.filter(
        table_name="facilities", record_id=facility.pk, operation="UPDATE",
        old_values__is_confidential=False, new_values__is_confidential=True,
    ).exclude(session_id__startswith="run:")  # fmt: skip
    return (raised.filter(changed_at__gt=since) if since else raised).exists()


def _own_service(facility: Facility) -> bool:
    """Return whether a facility is in service by itself, and not only because of one that was merged into it."""
    return facility.is_active and all(part.into_was_active for part in facility.retired_codes.all())


def _settle(facility: Facility, *, is_confidential: bool, is_active: bool) -> None:
    """Give a facility the stricter class of itself and all that it absorbed, and keep it in service where one of them is."""
    facility.refresh_from_db()
    parts = list(facility.retired_codes.all())
    facility.is_confidential = is_confidential or any(part.was_confidential for part in parts)
    facility.is_active = is_active or (facility.is_active and any(part.was_active for part in parts))
    facility.save(update_fields=["is_confidential", "is_active"])


def _free_number(cursor: Any, survivor: Facility) -> bool:
    """Return whether what comes back may have its registration number: the survivor gives it up, a third facility keeps it."""
    cursor.execute(
        "SELECT image->>'registration_number', image->>'sealed_details' FROM undo_rows WHERE table_name = 'facilities'"
    )
    number, token = cursor.fetchone() or (None, None)
    if token:
        sealed = decrypt(token, column="facilities.sealed_details")
        number = None if isinstance(sealed, Unreadable) else Details.from_text(sealed).registration_number
    if not number:
        return True
    Facility.objects.filter(pk=survivor.pk, registration_number=number).update(registration_number=None)
    if not Facility.objects.filter(registration_number=number).exists():
        return True
    cursor.execute("UPDATE undo_rows SET image = image - 'registration_number' WHERE table_name = 'facilities'")
    return False


class _Bequest:
    """What a person pinned on a facility that goes, and nobody pinned on the one that stays."""

    def __init__(self, gone: Facility, into: Facility, waived: AbstractSet[str]) -> None:
        self._gone, self._into = gone.open_columns(), into
        theirs = {pin.target for pin in into.pins.all()}
        if theirs & set(PLACE_COLUMNS):
            theirs |= set(PLACE_COLUMNS)  # a place is pinned whole
        left = theirs | waived | {"is_active", "is_confidential"}  # service and class have rules of their own
        self._pins = [pin for pin in gone.pins.all() if pin.target not in left]
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
        if columns:
            self._into.open_columns()
            self._into.is_confidential |= self._gone.is_confidential
            for name in columns:
                setattr(self._into, name, getattr(self._gone, name))
            self._into.save(update_fields=sorted(columns))
        self._take_away()
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

    def _take_away(self) -> None:
        """Take away what a person took away from the facility that goes."""
        kept = {contact_target(row.contact_type.code, row.value_index) for row in self._contacts}
        kept |= {service_target(row.service_category.code) for row in self._services}
        for contact in self._into.contacts.select_related("contact_type"):
            target = contact_target(contact.contact_type.code, contact.value_index)
            if target in self._targets - kept:
                contact.delete()
        for service in self._into.services.select_related("service_category"):
            if service_target(service.service_category.code) in self._targets - kept:
                service.delete()

    def _columns(self) -> Iterable[str]:
        names = {field.name for field in Facility._meta.concrete_fields}  # noqa: SLF001 - documented API
        for target in self._targets & names:
            yield from PLACE_COLUMNS if target in PLACE_COLUMNS else (target,)
