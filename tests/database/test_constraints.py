"""What PostgreSQL itself refuses, whoever writes: rows are written past the models' validation."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection

from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    ServiceCategory,
)
from geography.models import Constituency, County, Ward

pytestmark = pytest.mark.django_db


def a_facility(**fields: Any) -> Facility:
    return Facility.objects.create(
        **{"facility_code": "GVRC-TEST-1", "facility_name": "Amani Clinic", "county": nairobi()} | fields
    )


def nairobi() -> County:
    return County.objects.get(county_code="047")


def westlands() -> Constituency:
    return Constituency.objects.get(county=nairobi(), constituency_name__iexact="Westlands")


def refused(constraint: str) -> Any:
    return pytest.raises(IntegrityError, match=constraint)


@pytest.mark.parametrize("code", ["gvrc-1", "GVRC 1", "GVRC_1", "GVRC-1\n", ""])
def test_a_code_that_breaks_the_pattern_is_refused(code: str) -> None:
    with refused("facility_code_pattern"):
        a_facility(facility_code=code)


def test_a_code_twice_is_refused() -> None:
    a_facility()
    with refused("facility_code"):
        a_facility(facility_name="Another")


def test_an_empty_registration_number_is_refused_and_none_is_not() -> None:
    a_facility(registration_number=None)
    a_facility(facility_code="GVRC-TEST-2", registration_number=None)
    with refused("registration_number_null_not_blank"):
        a_facility(facility_code="GVRC-TEST-3", registration_number="")


def test_a_registration_number_twice_is_refused() -> None:
    a_facility(registration_number="MDB-1")
    with refused("registration_number"):
        a_facility(facility_code="GVRC-TEST-2", registration_number="MDB-1")


def test_a_facility_without_a_name_is_refused() -> None:
    with refused("facility_has_a_name"):
        a_facility(facility_name="")


def test_a_facility_without_a_county_is_refused() -> None:
    with refused("county_id"):
        a_facility(county=None)


def test_a_constituency_outside_its_county_is_refused() -> None:
    with refused("facility_constituency_in_county"):
        a_facility(county=County.objects.get(county_code="001"), constituency=westlands())


def test_a_ward_outside_its_constituency_is_refused() -> None:
    elsewhere = Ward.objects.exclude(constituency=westlands()).first()
    with refused("facility_ward_in_constituency"):
        a_facility(constituency=westlands(), ward=elsewhere)


def test_a_ward_without_its_constituency_is_refused() -> None:
    with refused("no_ward_without_constituency"):
        a_facility(constituency=None, ward=Ward.objects.filter(constituency=westlands()).first())


def test_a_place_inside_its_parents_is_taken() -> None:
    facility = a_facility(constituency=westlands(), ward=Ward.objects.filter(constituency=westlands()).first())
    assert Facility.objects.filter(pk=facility.pk).exists()


def test_a_ward_with_facilities_cannot_be_deleted() -> None:
    ward = Ward.objects.filter(constituency=westlands()).first()
    a_facility(constituency=westlands(), ward=ward)
    with refused("facility_ward_in_constituency"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM wards WHERE ward_code = %s", [ward.ward_code])


POSITIONS = [
    ("90.1", "36.8"),
    ("-90.1", "36.8"),
    ("-1.2", "180.1"),
    ("-1.2", "-180.1"),
    (None, "36.8"),
    ("-1.2", None),
    (None, None),
]


@pytest.mark.parametrize(("latitude", "longitude"), POSITIONS)
def test_a_position_off_the_globe_or_half_of_one_is_refused(latitude: str | None, longitude: str | None) -> None:
    with refused("position_open_or_sealed"):
        FacilityCoordinate.objects.create(
            facility=a_facility(),
            latitude=latitude and Decimal(latitude),
            longitude=longitude and Decimal(longitude),
            accuracy_level="exact",
        )


def test_a_position_both_open_and_sealed_is_refused() -> None:
    with refused("position_open_or_sealed"):
        both = {"latitude": -1, "longitude": 36, "sealed_position": "-1,36", "accuracy_level": "exact"}
        FacilityCoordinate.objects.bulk_create([FacilityCoordinate(facility=a_facility(), **both)])


def test_an_open_position_of_a_confidential_place_is_refused() -> None:
    facility = a_facility()
    facility.is_confidential = True
    facility.save()
    with refused("the position of a confidential place is sealed"):
        FacilityCoordinate.objects.bulk_create(
            [FacilityCoordinate(facility=facility, latitude=-1, longitude=36, accuracy_level="exact")]
        )


def test_a_confidential_place_that_lies_open_is_refused() -> None:
    facility = a_facility()
    with refused("confidential_is_sealed"):
        Facility.objects.filter(pk=facility.pk).update(is_confidential=True)


def test_a_second_position_is_refused() -> None:
    facility = a_facility()
    FacilityCoordinate.objects.create(facility=facility, latitude=-1, longitude=36, accuracy_level="exact")
    with refused("facility_id"):
        FacilityCoordinate.objects.create(facility=facility, latitude=-2, longitude=36, accuracy_level="exact")


def test_two_primary_contacts_of_one_type_are_refused() -> None:
    facility, phone = a_facility(), ContactType.objects.get(code="phone")
    FacilityContact.objects.create(
        facility=facility, contact_type=phone, contact_value="+254722000001", is_primary=True
    )
    FacilityContact.objects.create(facility=facility, contact_type=phone, contact_value="+254722000002")
    with refused("one_primary_contact_per_type"):
        FacilityContact.objects.create(
            facility=facility, contact_type=phone, contact_value="+254722000003", is_primary=True
        )


def test_a_contact_twice_on_one_facility_is_refused_though_its_tokens_differ() -> None:
    facility, phone = a_facility(), ContactType.objects.get(code="phone")
    FacilityContact.objects.create(facility=facility, contact_type=phone, contact_value="+254722000001")
    with refused("contact_once_per_facility"):
        FacilityContact.objects.create(facility=facility, contact_type=phone, contact_value="+254722000001")


def test_a_service_twice_on_one_facility_is_refused() -> None:
    facility, service = a_facility(), ServiceCategory.objects.first()
    FacilityService.objects.create(facility=facility, service_category=service)
    with refused("service_once_per_facility"):
        FacilityService.objects.create(facility=facility, service_category=service)


def test_a_text_with_nul_never_reaches_a_row() -> None:
    with pytest.raises((DatabaseError, ValueError)):
        a_facility(facility_name="Amani\x00")
