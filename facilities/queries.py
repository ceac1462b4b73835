"""The read side: facilities by place, with their details in a constant number of queries."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from facilities.models import Facility


LONGEST_CODE = 50


class FacilityQuerySet(models.QuerySet["Facility"]):
    """Location queries return active facilities; `.all()` returns every one."""

    def active(self) -> Self:
        return self.filter(is_active=True)

    def by_code(self, code: str) -> "Facility | None":
        """Return the facility that has this code, or had it before a merge; None where none ever had it."""
        wanted = code.strip().upper()
        if "\0" in wanted or len(wanted) > LONGEST_CODE:
            return None
        return self.filter(Q(facility_code=wanted) | Q(retired_codes__retired_code=wanted)).first()

    def in_place(
        self,
        *,
        county_code: str = "",
        constituency_code: str = "",
        ward_code: str = "",
        include_inactive: bool = False,
    ) -> Self:
        """Return the facilities that lie in every place given; those without a ward are in their county's answer."""
        places = {
            "county__county_code": county_code,
            "constituency__constituency_code": constituency_code,
            "ward__ward_code": ward_code,
        }
        found = self if include_inactive else self.active()
        return found.filter(**{field: code for field, code in places.items() if code})

    def with_details(self) -> Self:
        """Return the same facilities with place, type, status, services, contacts and position: four queries in all."""
        return self.select_related(
            "county",
            "constituency",
            "ward",
            "operational_status",
            "facility_type",
            "coordinate",
        ).prefetch_related("services__service_category", "contacts__contact_type")
