"""The read side: facilities by place, with details in a constant number of queries."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from facilities.models import Facility

pytestmark = pytest.mark.django_db


def names(**place: Any) -> set[str]:
    return set(Facility.objects.in_place(**place).values_list("facility_name", flat=True))


def test_the_facilities_of_a_county_include_those_without_a_ward(imported: dict[str, Any]) -> None:
    in_nairobi = Facility.objects.in_place(county_code="047")
    assert set(in_nairobi) == set(Facility.objects.filter(county__county_name="Nairobi"))
    assert in_nairobi.filter(ward=None).exists()


def test_all_places_that_are_given_must_agree(imported: dict[str, Any]) -> None:
    facility = Facility.objects.filter(ward__isnull=False, county__county_code="047").first()
    codes = {"constituency_code": facility.constituency.constituency_code, "ward_code": facility.ward.ward_code}
    assert facility.facility_name in names(county_code="047", **codes)
    assert names(county_code="001", **codes) == set()


def test_inactive_facilities_are_left_out_unless_asked_for(imported: dict[str, Any]) -> None:
    before = names(county_code="047")
    gone = Facility.objects.filter(county__county_code="047").first()
    Facility.objects.filter(pk=gone.pk).update(is_active=False)
    assert names(county_code="047") == before - {gone.facility_name}
    assert names(county_code="047", include_inactive=True) == before


def test_no_place_at_all_means_every_active_facility(imported: dict[str, Any]) -> None:
    assert Facility.objects.in_place().count() == Facility.objects.filter(is_active=True).count()


@pytest.mark.parametrize("rows", [2, 200])
def test_details_take_five_queries_for_two_facilities_and_for_two_hundred(imported: dict[str, Any], rows: int) -> None:
    with CaptureQueriesContext(connection) as queries:
        for facility in Facility.objects.in_place().with_details()[:rows]:
            str(facility.county), str(facility.constituency), str(facility.ward), str(facility.facility_type)
            str(facility.operational_status), str(getattr(facility, "coordinate", None))
            [str(service.service_category) for service in facility.services.all()]
            [(str(contact.contact_type), str(contact.contact_value)) for contact in facility.contacts.all()]
    assert len(queries) == 5
