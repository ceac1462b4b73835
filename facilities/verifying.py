"""A person says that a contact reaches its place: who, when and how; and how long that is believed."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from core.models import User
from core.row_numbers import row_number
from facilities.models import FacilityContact

METHODS = dict(FacilityContact.Verification.choices)
_SEEN_DIGITS = 16


def verify(contact: FacilityContact, method: str, *, user: User, now: datetime | None = None) -> None:
    """Write down that somebody reached the place by this contact; raises ValidationError."""
    if method not in METHODS:
        raise ValidationError(f"Say how: {', '.join(METHODS)}.")
    if not getattr(contact.contact_value, "is_readable", True):
        raise ValidationError("This contact cannot be read: nobody can have tried it.")
    contact.verified_at, contact.verified_by, contact.verification_method = now or timezone.now(), user, method
    contact.save(update_fields=["verified_at", "verified_by", "verification_method"])


def stale_before(now: datetime | None = None) -> datetime:
    """Return the moment before which a verification is too old to be relied on (CONTACT_STALE_DAYS)."""
    return (now or timezone.now()) - timedelta(days=settings.CONTACT_STALE_DAYS)


def verified_text(contact: FacilityContact) -> str:
    """Return when, by whom and how a contact was verified: "3 Nov 2026 by asha (called)"; "never" where it was not."""
    if contact.verified_at is None:
        return "never"
    when = timezone.localtime(contact.verified_at)
    text = f"{when.day} {when:%b %Y} by {contact.verified_by} ({contact.verification_method})"
    return f"{text}, too long ago" if contact.verified_at < stale_before() else text


def seen(contact: FacilityContact) -> str:
    """Return what a button sends to say which contact, with which value, was on the page."""
    return f"{contact.pk}-{contact.value_index[:_SEEN_DIGITS]}"


def find_seen(text: str) -> FacilityContact | None:
    """Return the contact that seen() named; None where it is gone, or says something else by now."""
    number, _, index = text.partition("-")
    if len(index) != _SEEN_DIGITS or not index.isalnum():
        return None
    contacts = FacilityContact.objects.select_related("facility", "contact_type").select_for_update(of=("self",))
    return contacts.filter(pk=row_number(number), value_index__startswith=index).first()
