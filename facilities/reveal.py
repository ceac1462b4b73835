"""Protected values of confidential places, one at a time: who may see one gives a reason, and it is written down first."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from core.access import Result, log_access
from core.approvals import SHORTEST_REASON
from core.crypto import CANNOT_BE_READ
from core.models import AccessLog, User
from core.roles import Action, may
from facilities.models import Facility, FacilityContact
from geography.models import Constituency, Ward

MOST_REVEALED, WINDOW = 20, timedelta(hours=1)  # of one person
LABELS: Mapping[str, str] = {
    "facility_name": "Name",
    "registration_number": "Registration number",
    "constituency_code": "Constituency",
    "ward_code": "Ward",
    "town": "Town",
    "address": "Address",
    "position": "Position",
    "ownership": "Ownership",
    "opening_hours": "Opening hours",
    "website": "Website",
}


class RevealError(Exception):
    """A value is not shown; `status` is the answer's, the message one line for the person who asked."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def recorded(facility: Facility) -> dict[str, str]:
    """Return what is recorded of a confidential place, by key: its label, never its value."""
    details = facility.details
    known = {name: getattr(details, name, CANNOT_BE_READ if details is None else "") for name in LABELS}
    known |= {"address": facility.address, "position": hasattr(facility, "coordinate")}
    shown = {name: label for name, label in LABELS.items() if known[name]}
    contacts = facility.contacts.select_related("contact_type").order_by("pk")
    return shown | {f"contact:{contact.pk}": f"{contact.contact_type} no. {contact.pk}" for contact in contacts}


def reveal(facility: Facility, what: str, *, reason: str, request: HttpRequest, now: datetime | None = None) -> str:
    """Return one protected value, after writing down who saw it and why.

    Raises RevealError: written down for whoever is not of the group or saw too many, not for a form that lacks something.
    """
    user = request.user
    assert isinstance(user, User), "the page asks for a login"
    resource = f"facility:{facility.facility_code} {what}"
    if not may(user, Action.REVEAL):
        asked = f"facility:{facility.facility_code}"  # what they typed beside it may be anything
        log_access(user, Action.REVEAL, asked, Result.DENIED, request=request, reason=reason)
        raise RevealError("only the safeguarding group sees protected values", status=403)
    if what not in recorded(facility):
        raise RevealError("choose a value that is recorded")
    if len(reason.strip()) < SHORTEST_REASON:
        raise RevealError(f"give a reason of at least {SHORTEST_REASON} characters: it is kept in the access log")
    User.objects.select_for_update().get(pk=user.pk)  # one at a time, or two requests would count the same
    since = (now or timezone.now()) - WINDOW
    if (
        AccessLog.objects.filter(user=user, action=Action.REVEAL, result=Result.ALLOWED, at__gt=since).count()
        >= MOST_REVEALED
    ):
        log_access(user, Action.REVEAL, resource, Result.LIMITED, request=request, reason=reason)
        raise RevealError(f"you saw {MOST_REVEALED} protected values within an hour: go on later", status=429)
    log_access(user, Action.REVEAL, resource, request=request, reason=reason)
    return _value_of(facility, what)


def _value_of(facility: Facility, what: str) -> str:
    """Return a value as a person reads it; one that no key opens says so."""
    kind, _, number = what.partition(":")
    if kind == "contact":
        return str(FacilityContact.objects.get(pk=number, facility=facility).contact_value)
    if what == "address":
        return str(facility.address)
    if what == "position":
        degrees = facility.coordinate.degrees
        return f"{degrees[0]}, {degrees[1]}" if degrees else CANNOT_BE_READ
    value: Any = CANNOT_BE_READ if facility.details is None else getattr(facility.details, what)
    places: dict[str, Any] = {"ward_code": Ward, "constituency_code": Constituency}
    if what in places and facility.details:
        return str(places[what].objects.filter(**{what: value}).first() or value)
    return str(value)
