"""Who verified a contact, and when, goes along when it moves to another facility, and comes back when that is split off."""

from collections.abc import Iterable, Mapping

from django.db.models import QuerySet

from core.models import AuditEntry
from facilities.models import FacilityContact

Key = tuple[int, str]  # contact type and blind index
COLUMNS = ("verified_at", "verified_by_id", "verification_method")
_IN_IMAGES = {"verified_by_id": "verified_by"}  # what the table calls it
Verified = dict[str, object]


def read_verifications(facilities: Iterable[int]) -> dict[Key, Verified]:
    """Return the newest verification of each contact of these facilities that has one."""
    contacts = FacilityContact.objects.filter(facility__in=list(facilities), verified_at__isnull=False)
    return {_key(contact): _verified(contact) for contact in contacts.order_by("verified_at")}


def hand_over(known: Mapping[Key, Verified], *, to: int) -> None:
    """Give the contacts of a facility what was known of them before they were its own, where that is newer."""
    for contact in _contacts(to, known):
        newer = known.get(_key(contact))
        if newer and (contact.verified_at is None or contact.verified_at < newer["verified_at"]):  # type: ignore[operator] # a time
            FacilityContact.objects.filter(pk=contact.pk).update(**newer)


def hand_over_what_left(known: Mapping[Key, Verified], *, left: int, to: int) -> None:
    """Give the contacts that left one facility for another what was known of them; what both have stays with the first."""
    stayed = {_key(contact) for contact in FacilityContact.objects.filter(facility=left)}
    hand_over({key: verified for key, verified in known.items() if key not in stayed}, to=to)


def take_back(survivor: int, *, back: int, session: str) -> None:
    """Let the contacts of a facility say again what they said before a merge where they say what `back` brought along."""
    lent = read_verifications([back])
    for contact in _contacts(survivor, lent):
        if lent.get(_key(contact)) != _verified(contact):
            continue
        images = AuditEntry.objects.filter(
            session_id=session, table_name="facility_contacts", record_id=contact.pk, operation="UPDATE"
        )
        before = images.order_by("audit_id").values_list("old_values", flat=True).first() or {}
        own = {column: before.get(_IN_IMAGES.get(column, column)) for column in COLUMNS}
        FacilityContact.objects.filter(pk=contact.pk).update(**own)


def _contacts(facility: int, known: Mapping[Key, Verified]) -> QuerySet[FacilityContact]:
    return FacilityContact.objects.filter(facility=facility, value_index__in=[index for _, index in known])


def _key(contact: FacilityContact) -> Key:
    return contact.contact_type_id, contact.value_index


def _verified(contact: FacilityContact) -> Verified:
    return {column: getattr(contact, column) for column in COLUMNS}
