"""What a member of the safeguarding group sets on a confidential place, without a page that shows what stood there."""

from django import forms
from django.core.exceptions import ValidationError

from core.models import User
from facilities.models import Facility, FacilityContact, FacilityCoordinate
from facilities.pin_targets import POSITION, contact_target
from facilities.pins import pin
from facilities.typed_values import check_website, read_point
from geography.models import Ward

COLUMNS = ("facility_name", "registration_number", "town", "address", "ownership", "opening_hours", "website")
WARD = "ward_code"


def correct(facility: Facility, what: str, value: str, *, user: User) -> None:
    """Set a protected value and pin it; empty takes it away. Raises ValidationError."""
    text = value.strip()
    if what == POSITION:
        _set_position(facility, text)
    elif what == WARD:
        _set_ward(facility, text)
    elif what in COLUMNS:
        if what == "website":
            check_website(text)
        field = Facility._meta.get_field(what)  # noqa: SLF001 - documented API
        facility.open_columns()
        setattr(facility, what, field.clean(text or (None if field.null else ""), facility))  # type: ignore[union-attr] # a column
    else:
        raise ValidationError("Choose what to set.")
    facility.updated_by = user
    facility.save()
    pin(facility, {"county", "constituency", "ward"} if what == WARD else {what}, user=user)


def add_contact(facility: Facility, form: forms.ModelForm, *, user: User) -> None:  # type: ignore[type-arg] # stubs make it generic, Django does not
    """Add a contact that a form has read, and pin it; raises ValidationError."""
    if not form.is_valid():
        raise ValidationError([message for messages in form.errors.values() for message in messages])
    contact: FacilityContact = form.save(commit=False)
    contact.facility, contact.is_primary = facility, False
    known = facility.contacts.filter(
        contact_type=contact.contact_type, value_index=FacilityContact.index_of(contact.contact_value)
    )
    if known.exists():
        raise ValidationError("This contact is recorded already.")
    contact.save()
    pin(facility, {contact_target(contact.contact_type.code, contact.value_index)}, user=user)


def take_contact_away(contact: FacilityContact, *, user: User) -> None:
    """Take a contact away, and keep imports from bringing it back."""
    target = contact_target(contact.contact_type.code, contact.value_index)
    facility = contact.facility
    contact.delete()
    pin(facility, {target}, user=user)


def _set_position(facility: Facility, text: str) -> None:
    degrees = read_point(text) if text else None
    FacilityCoordinate.objects.filter(facility=facility).delete()
    if degrees is None:
        return
    row = FacilityCoordinate(facility=facility, latitude=degrees[0], longitude=degrees[1])
    row.accuracy_level = FacilityCoordinate.Accuracy.EXACT
    row.save()


def _set_ward(facility: Facility, code: str) -> None:
    facility.open_columns()
    ward = Ward.objects.select_related("constituency").filter(ward_code=code).first() if code else None
    if code and (ward is None or ward.constituency.county_id != facility.county_id):
        raise ValidationError(f"{code[:10]} is no ward of {facility.county}: give its code of four digits.")
    facility.ward, facility.constituency = ward, ward.constituency if ward else None
