"""What the benchmarks compare leaves the same rows: a rival that writes less would be no rival."""

import pytest
from django.db import transaction

from benchmarks import floor, peers
from benchmarks.records import write_sources
from core.state import state_hash
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService
from tests.world import provider, run_import, write_providers

PLACES = ("other_services",)


@pytest.fixture
def places(tmp_path):
    """Return a folder with places that nobody takes for one another; one of them is confidential, three have a position."""
    at = {"latitude": "-1.28333", "longitude": "36.81667"}
    records = [provider(number, **(at if number % 10 == 0 else {})) for number in range(24)]
    records += [
        provider(30, facility_name="Zawadi Women's Shelter", contact="0722 555 000, zawadi@example.or.ke", **at)
    ]
    write_providers(tmp_path, records)
    return tmp_path


def state_after_the_pipeline(folder):
    with transaction.atomic():
        run_import(folder, *PLACES)
        state = state_hash()
        transaction.set_rollback(True)
    return state


@pytest.mark.django_db
def test_the_floor_leaves_the_registry_that_the_pipeline_leaves(places):
    state = state_after_the_pipeline(places)
    assert floor.load(places, PLACES)["totals"] == {"read": 25, "created": 25}
    assert state_hash() == state


@pytest.mark.django_db
@pytest.mark.parametrize("resource", [peers.FacilityResource, peers.BulkResource, peers.TunedResource])
def test_django_import_export_leaves_the_registry_that_the_pipeline_leaves(places, resource):
    state = state_after_the_pipeline(places)
    peers.import_export(places, PLACES, resource)()
    assert state_hash() == state


@pytest.mark.django_db
def test_update_or_create_leaves_the_registry_that_the_pipeline_leaves(places):
    state = state_after_the_pipeline(places)
    peers.update_or_create(places, PLACES)()
    assert state_hash() == state


@pytest.mark.django_db
def test_every_shape_imports_with_the_planned_rejects_and_the_planted_duplicates(tmp_path):
    delivery = write_sources(tmp_path, 600)
    summary = run_import(tmp_path)
    assert {name: row["read"] for name, row in summary["sources"].items()} == delivery.records
    assert summary["totals"]["rejected"] == delivery.rejected
    found = summary["duplicates"]["merged"] + summary["duplicates"]["to_review"]
    assert 0.8 <= found / (delivery.exact + delivery.near) <= 1.2
    children = sum(model.objects.count() for model in (FacilityContact, FacilityService, FacilityCoordinate))
    assert 3 <= children / Facility.objects.count() <= 3.6
    assert 0.75 <= FacilityCoordinate.objects.count() / Facility.objects.count() <= 0.9
