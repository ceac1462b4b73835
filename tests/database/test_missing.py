"""Records that a source lists no more: noted, listed, and only on demand taken out of service."""

from pathlib import Path
from typing import Any

import pytest

from core.models import AuditEntry, User
from core.state import state_hash
from etl.models import SourceRecord
from etl.undo import undo_import
from facilities.models import Facility
from tests.world import RAW, provider, registry, run_import, write_providers


def deliver(folder: Path, numbers: Any, **options: Any) -> dict[str, Any]:
    write_providers(folder, [provider(number) for number in numbers])
    return run_import(folder, "other_services", **options)


@pytest.fixture
def twenty(db: None, tmp_path: Path) -> Path:
    deliver(tmp_path, range(20))
    return tmp_path


def active() -> int:
    return Facility.objects.active().count()


def test_a_record_that_is_gone_is_listed_and_its_facility_stays(twenty: Path) -> None:
    summary = deliver(twenty, range(18))
    assert summary["totals"]["missing"] == 2
    assert {(row["file"], row["pointer"]) for row in summary["missing"]} == {
        ("other_services.json", "/18"), ("other_services.json", "/19"),
    }  # fmt: skip
    assert active() == 20


def test_on_demand_its_facility_goes_out_of_service(twenty: Path) -> None:
    summary = deliver(twenty, range(18), deactivate_missing=True)
    assert (summary["deactivated"], active()) == (2, 18)
    assert deliver(twenty, range(18), deactivate_missing=True)["deactivated"] == 0


def test_one_that_went_missing_before_goes_when_it_is_asked_for(twenty: Path) -> None:
    deliver(twenty, range(18))
    assert deliver(twenty, range(18), deactivate_missing=True)["deactivated"] == 2


def test_a_record_that_returns_brings_its_facility_back(twenty: Path) -> None:
    before = state_hash()
    deliver(twenty, range(18), deactivate_missing=True)
    summary = deliver(twenty, range(20))
    assert (summary["totals"]["updated"], summary["totals"]["unchanged"], active()) == (2, 18, 20)
    assert state_hash() == before
    assert deliver(twenty, range(20))["totals"]["unchanged"] == 20


def test_a_facility_that_a_person_took_out_does_not_come_back(twenty: Path) -> None:
    facility = Facility.objects.all()[0]
    facility.is_active = False
    facility.save()
    write_providers(twenty, [provider(number, location=f"Plot {number}b") for number in range(20)])
    run_import(twenty, "other_services")
    assert active() == 19


def test_a_facility_that_another_source_lists_stays(imported: dict[str, Any], data_dir: Path) -> None:
    shared = SourceRecord.objects.filter(source="category_B", facility__source_records__source="regional")
    assert shared.exists()
    alone = Facility.objects.filter(source_records__source="category_B").exclude(
        source_records__in=SourceRecord.objects.exclude(source="category_B")
    )
    listed_nowhere_else = alone.distinct().count()
    codes = set(shared.values_list("facility__facility_code", flat=True))
    (data_dir / "category_B.json").write_text('{"organizations": []}')
    summary = run_import(data_dir, allow_shrink=True, deactivate_missing=True)
    assert summary["status"] == "succeeded"
    assert all(registry()[code]["is_active"] for code in codes)
    assert summary["deactivated"] == listed_nowhere_else


def test_a_withdrawn_record_says_nothing_more_about_its_facility(imported: dict[str, Any], data_dir: Path) -> None:
    shared = SourceRecord.objects.filter(source="category_B", facility__source_records__source="regional")
    facility = Facility.objects.get(pk=shared.values("facility")[:1])
    own = set(facility.services.values_list("service_category__code", flat=True))
    (data_dir / "category_B.json").write_text('{"organizations": []}')
    run_import(data_dir, allow_shrink=True, deactivate_missing=True)
    assert set(facility.services.values_list("service_category__code", flat=True)) <= own
    before = registry()
    run_import(data_dir, allow_shrink=True, deactivate_missing=True)
    assert registry() == before
    run_import(RAW)
    assert set(facility.services.values_list("service_category__code", flat=True)) == own


@pytest.mark.parametrize("content", ["[", "", "[]", None])
def test_nothing_is_deactivated_after_a_failed_read(twenty: Path, content: str | None) -> None:
    path = twenty / "other_services.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    before = state_hash()
    summary = run_import(twenty, "other_services", deactivate_missing=True)
    assert (summary["status"], state_hash(), active()) == ("failed", before, 20)


def test_nothing_is_deactivated_when_another_source_was_refused(imported: dict[str, Any], data_dir: Path) -> None:
    (data_dir / "regional.json").write_text("{")
    write_providers(data_dir, [provider(number) for number in range(30)])
    summary = run_import(data_dir, deactivate_missing=True)
    assert summary["status"] == "partial"
    assert "nothing was deactivated, because a source was refused" in summary["warnings"]
    assert not Facility.objects.filter(is_active=False).exists()


def test_a_source_that_shrinks_by_more_than_a_fifth_is_refused(twenty: Path) -> None:
    before = state_hash()
    summary = deliver(twenty, range(15))
    assert summary["status"] == "failed"
    assert "holds 15 records, 20 in run" in summary["sources"]["other_services"]["error"]
    assert state_hash() == before
    assert not SourceRecord.objects.filter(missing_since__isnull=False).exists()
    assert deliver(twenty, range(15), allow_shrink=True)["totals"]["missing"] == 5


def test_a_source_that_shrinks_by_a_fifth_is_read(twenty: Path) -> None:
    assert deliver(twenty, range(16))["totals"]["missing"] == 4


def test_deactivating_is_audited_and_undone(twenty: Path) -> None:
    before = state_hash()
    summary = deliver(twenty, range(18), deactivate_missing=True)
    entries = AuditEntry.objects.filter(session_id=f"run:{summary['run']}")
    assert entries.count() == 2
    undo_import(summary["run"], user=User.import_user())
    assert state_hash() == before
    assert deliver(twenty, range(18), deactivate_missing=True)["deactivated"] == 2
