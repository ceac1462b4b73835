"""Refuses to work with keys that do not fit the database: a wrong key would write beside what it cannot read."""

from core.crypto import Unreadable
from etl.errors import WrongKeyError
from etl.models import SourceRecordVersion
from facilities.models import FacilityContact


def check_keys() -> None:
    """Raise WrongKeyError where FIELD_KEYS cannot open, or INDEX_KEY cannot find, what the database holds."""
    version = SourceRecordVersion.objects.only("raw").last()
    contacts = list(FacilityContact.objects.only("contact_value", "value_index")[:1])
    sealed = [version.raw] if version else []
    sealed += [contact.contact_value for contact in contacts]
    if sealed and all(isinstance(value, Unreadable) for value in sealed):
        message = "FIELD_KEYS cannot open what the database holds: set the keys it was written with (see .env.example)"
        raise WrongKeyError(message)
    readable = [contact for contact in contacts if not isinstance(contact.contact_value, Unreadable)]
    if any(contact.value_index != FacilityContact.index_of(contact.contact_value) for contact in readable):
        message = "INDEX_KEY is not the one the database was written with: set that one (see .env.example)"
        raise WrongKeyError(message)
