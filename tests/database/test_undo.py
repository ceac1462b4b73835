"""undo_import reverses a run, keeps what was changed since, and the files can be imported again."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from core.models import User
from core.state import state_hash
from etl.errors import UnknownRunError
from etl.models import DuplicatePair, ImportRun, SourceRecord
from etl.undo import undo_import
from facilities.models import Facility, FacilityContact
from tests.world import RAW, provider, registry, run_import, write_providers


def undo(run: int, **options: Any) -> Any:
    return undo_import(run, user=User.import_user(), **options)


def provenance() -> set[tuple[Any, ...]]:
    return set(SourceRecord.objects.values_list("source", "key", "occurrence", "facility__facility_code"))


def changed_providers(folder: Path) -> None:
    """A second delivery: one renamed, one with another number, one new, one gone (of ten)."""
    records = [provider(number) for number in range(9)]
    records[1]["facility_name"] = "Renamed Counselling Office"
    records[2]["contact"] = "0733 999 999"
    write_providers(folder, [*records, provider(20)])


def test_an_undone_first_import_leaves_nothing_and_can_be_imported_again(imported: dict[str, Any]) -> None:
    filled, came_from = state_hash(), provenance()
    undone = undo(imported["run"])
    assert undone.removed == imported["totals"]["created"]
    assert not Facility.objects.exists()
    assert not DuplicatePair.objects.exists()
    assert run_import(RAW)["totals"] == imported["totals"]
    assert (state_hash(), provenance()) == (filled, came_from)


def test_an_undone_second_import_gives_back_what_the_first_made(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(number) for number in range(10)])
    run_import(tmp_path, "other_services")
    before, came_from = state_hash(), provenance()
    changed_providers(tmp_path)
    second = run_import(tmp_path, "other_services")
    after = state_hash()
    assert after != before
    undo(second["run"])
    assert state_hash() == before
    assert came_from <= provenance()
    again = run_import(tmp_path, "other_services")
    assert state_hash() == after
    assert again["totals"]["created"] == second["totals"]["created"]


def test_tokens_are_written_back_as_they_were(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(number) for number in range(10)])
    run_import(tmp_path, "other_services")
    tokens = {c.pk: c.contact_value.token for c in FacilityContact.objects.all()}
    changed_providers(tmp_path)
    undo(run_import(tmp_path, "other_services")["run"])
    assert {c.pk: c.contact_value.token for c in FacilityContact.objects.all()} == tokens


def test_what_a_person_changed_since_is_kept_and_named(
    admin_client: Client, imported: dict[str, Any], tmp_path: Path
) -> None:
    edited = list(Facility.objects.filter(is_confidential=False).order_by("facility_code")[:2])
    for facility in edited:
        facility.town = "Typed by hand"
        facility.save()
    kept_before = {facility.facility_code: registry()[facility.facility_code] for facility in edited}
    undone = undo(imported["run"])
    assert set(undone.kept) == {facility.facility_code for facility in edited}
    assert registry() == kept_before


def test_a_child_that_a_person_changed_keeps_its_whole_facility(imported: dict[str, Any]) -> None:
    contact = FacilityContact.objects.all()[0]
    FacilityContact.objects.filter(pk=contact.pk).delete()
    undone = undo(imported["run"])
    assert list(undone.kept) == [contact.facility.facility_code]


def test_what_a_later_run_changed_is_kept(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(number) for number in range(10)])
    first = run_import(tmp_path, "other_services")
    changed_providers(tmp_path)
    second = run_import(tmp_path, "other_services")
    undone = undo(first["run"])
    assert set(undone.kept.values()) == {f"changed since by run {second['run']}"}
    undo(second["run"])
    assert undo(first["run"]).kept == {}
    assert not Facility.objects.exists()


def test_confidentiality_is_never_lowered(db: None, tmp_path: Path) -> None:
    place = provider(0, latitude="-1.2921", longitude="36.8219")
    write_providers(tmp_path, [place])
    run_import(tmp_path, "other_services")
    write_providers(tmp_path, [place | {"service_type": "Safe shelter", "facility_name": place["facility_name"]}])
    second = run_import(tmp_path, "other_services")
    Facility.objects.update(is_confidential=True)
    undo(second["run"])
    facility = Facility.objects.with_details().get()
    assert facility.is_confidential
    assert facility.coordinate.latitude is None


def test_a_dry_run_changes_nothing_and_says_the_same(imported: dict[str, Any]) -> None:
    before = state_hash()
    planned = undo(imported["run"], dry_run=True)
    assert (state_hash(), planned.undo_run) == (before, None)
    done = undo(imported["run"])
    assert (done.removed, done.restored, done.kept) == (planned.removed, planned.restored, planned.kept)


@pytest.mark.parametrize("number", [0, 999_999])
def test_a_run_that_is_not_there_is_refused(imported: dict[str, Any], number: int) -> None:
    with pytest.raises(UnknownRunError, match="there is no run"):
        undo(number)


def test_an_undone_run_and_an_undo_cannot_be_undone(imported: dict[str, Any]) -> None:
    done = undo(imported["run"])
    with pytest.raises(UnknownRunError, match="was undone by run"):
        undo(imported["run"])
    with pytest.raises(UnknownRunError, match="is itself an undo"):
        undo(done.undo_run)


def test_the_command_names_what_it_kept(imported: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    facility = Facility.objects.filter(is_confidential=False)[0]
    Facility.objects.filter(pk=facility.pk).update(town="Typed by hand")
    with pytest.raises(SystemExit) as ended:
        call_command("undo_import", str(imported["run"]))
    assert ended.value.code == 0
    assert f"kept {facility.facility_code}: changed since by db:" in capsys.readouterr().out
    assert ImportRun.objects.get(pk=imported["run"]).undone_by is not None
