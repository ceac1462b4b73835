"""migrate_sqlite: every row of a legacy database lands or is listed, under its key, in one transaction, again and again."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from core.models import AuditEntry, User
from core.state import state_hash
from etl.explain import explain
from etl.legacy.migration import migrate_legacy
from etl.legacy.rows import MODELS
from etl.models import ImportRun
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    OperationalStatus,
    ServiceCategory,
)
from geography.models import Constituency, County, Ward
from tests.legacy import FACILITIES, KEYS, OBJECTS, document_case, own_database, write_dumpdata, write_sqlite


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A registry of the test's own, with geography and lookups, whose transactions commit; see tests/faults/conftest.py."""
    with django_db_blocker.unblock(), own_database():
        yield


@pytest.fixture
def registry(transactional_db: None) -> None:
    """Name it for what it is."""


@pytest.mark.parametrize("shuffled", [False, True], ids=["in code order", "shuffled"])
@pytest.mark.parametrize("write", [write_sqlite, write_dumpdata], ids=["sqlite", "dumpdata"])
def test_the_documents_case_lands_whole_under_its_keys(
    registry: None, tmp_path: Path, write: Callable[..., Path], shuffled: bool
) -> None:
    rows = document_case(shuffled=shuffled)
    summary = migrate_legacy(write(tmp_path / "legacy.file", rows))
    assert summary["listed"] == []
    assert summary["totals"]["read"] == OBJECTS
    assert summary["totals"]["landed"] + summary["totals"]["already"] == OBJECTS
    assert Facility.objects.count() == FACILITIES
    assert summary["keys_not_kept"] == {}
    for table, found in rows.items():
        keys = {row[KEYS[table]] for row in found}
        assert keys <= set(MODELS[table]._default_manager.values_list("pk", flat=True)), table


def test_the_next_insert_works_on_every_table(registry: None, tmp_path: Path) -> None:
    migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True)))
    call_command("load_geography")
    county, status = (
        County.objects.create(county_name="New", county_code="048"),
        OperationalStatus.objects.create(code="new"),
    )
    constituency = Constituency.objects.create(constituency_name="New", constituency_code="291", county=county)
    ward = Ward.objects.create(ward_name="New", ward_code="1451", constituency=constituency)
    category, kind = ServiceCategory.objects.create(code="new"), ContactType.objects.create(code="new")
    user = User.objects.create(username="new")
    facility = Facility.objects.create(
        facility_code="NEW", facility_name="New", county=county, constituency=constituency, ward=ward, created_by=user
    )
    FacilityService.objects.create(facility=facility, service_category=category)
    FacilityContact.objects.create(facility=facility, contact_type=kind, contact_value="+254722000999")
    FacilityCoordinate.objects.create(
        facility=facility, latitude="-1.2833", longitude="36.8172", accuracy_level="exact"
    )
    facility.operational_status = status
    facility.save()
    assert AuditEntry.objects.filter(table_name="facilities", record_id=facility.pk, operation="UPDATE").exists()


def test_a_second_run_finds_everything_and_writes_nothing(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True))
    migrate_legacy(path)
    before = state_hash(), AuditEntry.objects.count(), ImportRun.objects.count()
    summary = migrate_legacy(path)
    assert summary["totals"] == {"read": OBJECTS, "landed": 0, "already": OBJECTS, "listed": 0}
    assert summary["run"] is None
    assert not [note for note in summary["notes"] if "changed since" in note["reason"]]
    assert (state_hash(), AuditEntry.objects.count(), ImportRun.objects.count()) == before


def test_what_was_there_is_told_row_by_row(registry: None, tmp_path: Path) -> None:
    rows = document_case()
    migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", rows))
    facility = Facility.objects.with_details().get(pk=17)
    assert facility.facility_code == "FAC-0017"
    assert facility.registration_number == "REG/00017"
    assert facility.facility_name == rows["facilities"][16]["facility_name"]
    assert facility.ward_id == 103
    assert facility.created_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert facility.updated_at == datetime(2023, 6, 7, 8, 9, 10, tzinfo=UTC)
    assert str(facility.created_by) == "wanjiru"
    assert [str(one.contact_value) for one in facility.contacts.filter(pk=17)] == ["+254722000017"]
    assert facility.coordinate.accuracy_level == "exact"
    user = User.objects.get(username="legacy-admin")
    assert (user.is_active, user.is_superuser, user.has_usable_password()) == (False, False, False)
    entry = AuditEntry.objects.get(pk=17)
    assert (entry.record_id, entry.session_id, str(entry.changed_by)) == (
        17,
        "legacy:run:17",
        "mutua",
    )
    assert entry.new_values["facility_name"] == "Old 17"
    told = "\n".join(explain("FAC-0017"))
    assert "legacy: legacy.sqlite3 /facilities/17" in told
    assert "in the legacy database" in told


def test_a_dry_run_writes_nothing(registry: None, tmp_path: Path) -> None:
    before = state_hash(), AuditEntry.objects.count()
    summary = migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True)), dry_run=True)
    assert summary["totals"]["landed"] > FACILITIES
    assert summary["run"] is None
    assert (state_hash(), AuditEntry.objects.count()) == before
