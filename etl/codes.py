"""Facilities by their codes: wherever a person or a script names one, a code that a merge retired leads to the survivor."""

from collections.abc import Collection

from django.db.models import Q

from etl.errors import UnknownFacilityError
from facilities.models import Facility, RetiredCode


def find_facility(code: str) -> Facility:
    """Return the facility that has this code, or had it before a merge; raises UnknownFacilityError."""
    facility = Facility.objects.with_details().by_code(code)
    if facility is None:
        message = (
            f"no facility has the code {code.strip().upper()[:50]}: look it up in admin, or check for a typing error"
        )
        raise UnknownFacilityError(message)
    return facility


def find_facilities(codes: Collection[str]) -> dict[str, Facility]:
    """Return the facilities that have one of these codes, or had it before a merge, by that code; no more of them is read."""
    retired = dict(RetiredCode.objects.filter(retired_code__in=codes).values_list("retired_code", "facility"))
    rows = Facility.objects.only("facility_code", "is_confidential")
    found = {row.pk: row for row in rows.filter(Q(facility_code__in=codes) | Q(pk__in=retired.values()))}
    survivors = {code: found[pk] for code, pk in retired.items()}
    return survivors | {row.facility_code: row for row in found.values() if row.facility_code in codes}
