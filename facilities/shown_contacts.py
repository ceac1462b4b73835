"""A contact as a person may see it: a help line whole, any other one whole to who edits and masked to others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.masking import mask
from core.short_codes import is_short_code
from facilities.models import FacilityContact
from facilities.verifying import stale_before, verified_text


@dataclass(frozen=True, slots=True)
class ShownContact:
    """A contact of an open place; `link` is "" where the value is masked."""

    type: str
    value: str
    link: str
    is_personal: bool
    verified_at: datetime | None
    verified: str

    @property
    def is_fresh(self) -> bool:
        """Whether somebody was reached by it of late."""
        return self.verified_at is not None and self.verified_at >= stale_before()


def show(contact: FacilityContact, *, whole: bool) -> ShownContact:
    """Return a contact, whole for who may see what is personal; the type comes with it."""
    kind, value = contact.contact_type.code, str(contact.contact_value)
    is_personal = kind != "hotline" and not is_short_code(value)
    is_shown = whole or not is_personal
    is_readable = getattr(contact.contact_value, "is_readable", True)
    scheme = "mailto" if kind == "email" else "tel"
    return ShownContact(
        type=str(contact.contact_type),
        value=value if is_shown else mask(value),
        link=f"{scheme}:{value}" if is_shown and is_readable else "",
        is_personal=is_personal,
        verified_at=contact.verified_at,
        verified=verified_text(contact),
    )


def best_first(contacts: Iterable[FacilityContact]) -> list[FacilityContact]:
    """Return contacts with those first that were verified last, then help lines, then the primary ones."""
    return sorted(contacts, key=_rank)


def _rank(contact: FacilityContact) -> tuple[float, bool, bool, int]:
    age = -contact.verified_at.timestamp() if contact.verified_at else 0.0
    return age, contact.contact_type.code != "hotline", not contact.is_primary, contact.pk
