"""A file that is cut, emptied, gone or changed underneath: nothing of its source is loaded, and nothing is withdrawn."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from core.state import state_hash
from etl.models import SourceRecord
from etl.pipeline import ImportOptions, import_facilities
from etl.sources import SOURCES
from etl.stages.gates import exit_code
from tests.faults.world import all_or_sample, command
from tests.world import SOURCE_NAMES, provider, run_import, write_source

pytestmark = pytest.mark.usefixtures("transactional_db")


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def an_empty_list(path: Path) -> None:
    path.write_text("[]")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut_in_half, emptied, an_empty_list, removed])
def test_a_damaged_file_ends_with_1_and_changes_nothing_of_its_source(
    damage: Callable[[Path], None], data_dir: Path, subtests: pytest.Subtests
) -> None:
    assert run_import(data_dir)["status"] == "succeeded"
    before, records = state_hash(), ledger()
    names = all_or_sample(SOURCE_NAMES, ["regional"])
    for name, deactivate in product(names, [(), ("--deactivate-missing",)]):
        if SOURCES[name].may_be_empty and damage in (emptied, an_empty_list):
            continue  # that is how it was delivered
        with subtests.test(source=name, deactivate=bool(deactivate)):
            path = data_dir / f"{name}.json"
            sound = path.read_bytes()
            damage(path)
            code, out, err = command("import_facilities", "--json", "--data-dir", str(data_dir), *deactivate)
            path.write_bytes(sound)
            summary = json.loads(out)
            assert (code, summary["status"]) == (1, "partial")
            assert [row for row, said in summary["sources"].items() if said.get("error")] == [name]
            assert [name in line for line in err.splitlines()] == [True]
            assert summary["sources"][name]["read"] == 0
            assert (summary["deactivated"], summary["totals"]["missing"]) == (0, 0)
            assert state_hash() == before
            assert ledger() == records


def ledger() -> list[tuple[object, ...]]:
    """Return where each source record stands, whichever run saw it last."""
    return list(SourceRecord.objects.values_list("pk", "facility", "latest_version", "missing_since", "withdrawn_in"))


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def grown_by_a_record(path: Path) -> None:
    path.write_text(json.dumps([*json.loads(path.read_text()), provider(1)]))


def written_anew_in_the_same_size(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0722", b"0733"))


CHANGES = (grown, grown_by_a_record, written_anew_in_the_same_size, cut_in_half, removed)


@pytest.mark.parametrize(
    ("change", "is_known"),
    all_or_sample(
        list(product(CHANGES, (False, True))),
        [(grown, False), (grown_by_a_record, True), (written_anew_in_the_same_size, True)],
    ),
)
def test_a_file_that_changes_between_its_two_readings_is_refused_whole(
    change: Callable[[Path], None], is_known: bool, data_dir: Path
) -> None:
    if is_known:
        run_import(data_dir)
    path = write_source(data_dir, "other_services", [provider(number) for number in range(60)])
    records = list(SourceRecord.objects.filter(source="other_services").values())

    def progress(step: str) -> None:
        if step == "pass 1":
            change(path)

    options = ImportOptions(data_dir=data_dir, deactivate_missing=True)
    summary = import_facilities(options, progress=progress)
    assert (summary["status"], exit_code(summary, limit=None, fail_on="never")) == ("partial", 1)
    refused = {name: row["error"] for name, row in summary["sources"].items() if row.get("error")}
    assert list(refused) == ["other_services"]
    assert "other_services.json" in refused["other_services"]
    assert list(SourceRecord.objects.filter(source="other_services").values()) == records
    assert (summary["deactivated"], summary["totals"]["missing"]) == (0, 0)
