"""Contacts that nobody has tried, or not for long: those of open places to call, of confidential ones how many places."""

from datetime import datetime

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When

from facilities.export import FEWEST_COUNTED, TOO_FEW
from facilities.models import Facility, FacilityContact, FacilityService
from facilities.verifying import stale_before


def stale_contacts(*, county: str = "", service: str = "", now: datetime | None = None) -> QuerySet[FacilityContact]:
    """Return the stale contacts of open places in service, never verified ones first, of these help lines first."""
    contacts = FacilityContact.objects.filter(
        _is_stale(now), facility__is_active=True, facility__is_confidential=False
    ).select_related("contact_type", "verified_by", "facility__county")
    if county:
        contacts = contacts.filter(facility__county__county_code=county)
    if service:
        stated = FacilityService.objects.filter(service_category__code=service, is_active=True)
        contacts = contacts.filter(facility__in=stated.values("facility"))
    after_hotlines = Case(
        When(contact_type__code="hotline", then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return contacts.order_by(F("verified_at").asc(nulls_first=True), after_hotlines, "facility__facility_name", "pk")


def count_confidential(*, county: str = "", now: datetime | None = None) -> str:
    """Return how many confidential places have a stale contact, by county and never by service; "" for none.

    "Nairobi 7; fewer than 5 each in Kisumu, Nakuru": no number is in it from which a small one could be worked out.
    """
    stale = FacilityContact.objects.filter(_is_stale(now), facility__is_confidential=True)
    places = Facility.objects.active().filter(is_confidential=True, pk__in=stale.values("facility"))
    if county:
        places = places.filter(county__county_code=county)
    counts = places.order_by("county__county_name").values_list("county__county_name").annotate(places=Count("pk"))
    counted = [f"{name} {number}" for name, number in counts if number >= FEWEST_COUNTED]
    few = [name for name, number in counts if number < FEWEST_COUNTED]
    return "; ".join([*counted, f"{TOO_FEW}{' each' if len(few) > 1 else ''} in {', '.join(few)}"] if few else counted)


def _is_stale(now: datetime | None) -> Q:
    return Q(verified_at__isnull=True) | Q(verified_at__lt=stale_before(now))
