"""Dead letters: listed with every finding, replayed from the ledger once something is mended, settled by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from core.models import User
from core.state import state_hash
from etl.errors import UnknownRejectError
from etl.models import SourceRecordVersion
from etl.rejects import RejectFilter, describe, discard, find, find_waiting, replay
from facilities.models import Facility
from geography.models import PlaceAlias
from tests.world import RAW, provider, run_import, write_providers

State = SourceRecordVersion.State


def user() -> User:
    return User.import_user()


@pytest.fixture
def rejected(db: None, tmp_path: Path) -> Path:
    """Twenty providers; two of them lie in counties that nobody knows."""
    records = [provider(number) for number in range(20)]
    records[3]["county"] = records[7]["county"] = "Quonset"
    records[5]["facility_name"] = ""
    write_providers(tmp_path, records)
    run_import(tmp_path, "other_services")
    return tmp_path


@pytest.fixture
def alias(rejected: Path) -> PlaceAlias:
    return PlaceAlias.objects.create(level="county", alias="Quonset", target_code="047", kind="spelling")


def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            call_command("rejects", *map(str, arguments))
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def test_every_reject_is_listed_with_file_pointer_findings_attempts_and_state(rejected: Path) -> None:
    found = sorted((describe(version) for version in find(RejectFilter())), key=lambda row: row["pointer"])
    assert [(row["pointer"], row["rules"]) for row in found] == [
        ("/3", ["county-unknown"]), ("/5", ["name-missing"]), ("/7", ["county-unknown"]),
    ]  # fmt: skip
    assert {(row["file"], row["attempts"], row["state"]) for row in found} == {("other_services.json", 1, "open")}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [({"rule": "county-unknown"}, 2), ({"rule": "name-missing"}, 1), ({"source": "regional"}, 0), ({"run": 0}, 0)],
)
def test_rejects_are_chosen_by_rule_source_and_run(rejected: Path, wanted: dict[str, Any], count: int) -> None:
    assert find(RejectFilter(**wanted)).count() == count


def test_a_reject_that_is_not_there_is_an_error(rejected: Path) -> None:
    with pytest.raises(UnknownRejectError, match="no open reject 999999"):
        find(RejectFilter(ids=(999_999,)))


def test_a_mended_alias_lets_the_waiting_records_load(alias: PlaceAlias) -> None:
    waiting = find_waiting()
    assert len(waiting) == 2
    summary = replay(RejectFilter(ids=tuple(waiting)), user=user())
    assert (summary["totals"]["read"], summary["totals"]["created"], summary["totals"]["rejected"]) == (2, 2, 0)
    assert Facility.objects.count() == 19
    assert find_waiting() == []


def test_a_replay_gives_what_importing_the_file_again_would(alias: PlaceAlias, rejected: Path) -> None:
    replay(RejectFilter(), user=user())
    replayed = state_hash()
    again = run_import(rejected, "other_services")
    assert again["totals"]["created"] == 0
    assert state_hash() == replayed


def test_what_is_still_wrong_stays_a_reject_with_one_more_attempt(rejected: Path) -> None:
    summary = replay(RejectFilter(), user=user())
    assert summary["totals"] == summary["totals"] | {"read": 3, "rejected": 3}
    assert {version.attempts for version in find(RejectFilter())} == {2}


def test_a_record_that_was_refused_by_its_file_stays_refused(db: None, tmp_path: Path) -> None:
    record = json.dumps(provider(0))[:-1] + ', "county": "Mombasa"}'  # a key twice
    records = ", ".join([record, *(json.dumps(provider(number)) for number in range(1, 5))])
    (tmp_path / "other_services.json").write_text(f"[{records}]")
    run_import(tmp_path, "other_services")
    (before,) = find(RejectFilter())
    summary = replay(RejectFilter(), user=user())
    assert summary["totals"]["rejected"] == 1
    (after,) = find(RejectFilter())
    assert [f["rule"] for f in after.findings] == [f["rule"] for f in before.findings]


def test_a_discarded_reject_is_not_asked_for_again_but_still_counts(rejected: Path) -> None:
    assert discard(RejectFilter(rule="county-unknown"), user=user()) == 2
    assert find(RejectFilter()).count() == 1
    assert find(RejectFilter(state="discarded")).count() == 2
    assert run_import(rejected, "other_services")["totals"]["rejected"] == 3


def test_a_discarded_reject_stays_so_when_it_is_read_anew(rejected: Path) -> None:
    discard(RejectFilter(), user=user())
    PlaceAlias.objects.create(
        level="county", alias="Elsewhere", target_code="047", kind="spelling"
    )  # another fingerprint
    run_import(rejected, "other_services")
    assert find(RejectFilter()).count() == 0


def test_the_command_lists_shows_and_replays(alias: PlaceAlias, capsys: pytest.CaptureFixture[str]) -> None:
    run = command(capsys)
    code, listed = run("list", "--rule", "county-unknown", "--json")
    rows = json.loads(listed)
    assert (code, len(rows)) == (0, 2)
    code, shown = run("show", rows[0]["id"])
    assert (code, "other_services.json" in shown, "fixtures/place_aliases.csv" in shown) == (0, True, True)
    code, replayed = run("replay", "--waiting", "--json")
    assert (code, json.loads(replayed)["totals"]["created"]) == (0, 2)
    assert run("discard")[0] == 2
    assert run("discard", "--rule", "name-missing") == (0, "1 reject discarded.\n")


def test_load_geography_offers_to_replay_what_waited(alias: PlaceAlias, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_geography")
    assert "2 rejected records waited for this" in capsys.readouterr().out


def waiting_versions() -> list[int]:
    return list(find(RejectFilter(ids=tuple(find_waiting()))).values_list("pk", flat=True))


def test_rejects_are_replayed_in_the_browser(alias: PlaceAlias, admin_client: Client) -> None:
    page = "/admin/etl/sourcerecordversion/"
    waiting = admin_client.get(page, {"state__exact": "rejected", "waiting": "yes"})
    assert waiting.content.decode().count('name="_selected_action"') == 2
    answer = admin_client.post(page, {"action": "replay_selected", "_selected_action": waiting_versions()}, follow=True)
    assert "2 replayed, 2 loaded, 0 still rejected" in answer.content.decode()
    assert Facility.objects.count() == 19


def test_saving_an_alias_in_the_browser_offers_the_replay(rejected: Path, admin_client: Client) -> None:
    alias = {"level": "county", "alias": "Quonset", "parent_code": "", "target_code": "047", "kind": "spelling"}
    answer = admin_client.post("/admin/geography/placealias/add/", alias | {"evidence": "test"}, follow=True)
    assert "2 rejected records waited for this" in answer.content.decode()


def test_the_seven_files_rejects_show_every_finding(imported: dict[str, Any]) -> None:
    found = [describe(version) for version in find(RejectFilter())]
    assert len(found) == imported["totals"]["rejected"]
    assert all(row["findings"] and row["pointer"] and row["file"] for row in found)
    assert RAW
