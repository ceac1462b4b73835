"""Facilities by their codes: wherever a person or a script names one, a code that a merge retired leads to the survivor."""

from etl.errors import UnknownFacilityError
from facilities.models import Facility


def find_facility(code: str) -> Facility:
    """Return the facility that has this code, or had it before a merge; raises UnknownFacilityError."""
    facility = Facility.objects.with_details().by_code(code)
    if facility is None:
        message = (
            f"no facility has the code {code.strip().upper()[:50]}: look it up in admin, or check for a typing error"
        )
        raise UnknownFacilityError(message)
    return facility
