"""An import of a thousand known phone numbers and addresses, sound and disturbed, shows none of them to a log or a stranger."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.logs import handler_for
from etl.console import run_with_exit_code
from etl.models import ImportRun, SourceRecordVersion
from facilities.models import FacilityContact
from tests.faults.test_kills import finished, manage, url_of_test_database
from tests.faults.world import command, in_full, trigger
from tests.known_contacts import CANARIES, PHONES, leaks
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a delivery of a thousand records: two in three are sound, the others are not, each in a way of its own."""
    unsound: list[Callable[[str], dict[str, Any]]] = [
        lambda canary: {"county": canary},
        lambda canary: {"facility_name": canary},
        lambda canary: {"latitude": canary, "longitude": canary},
        lambda canary: {"facility_name": "", "contact": canary},
        lambda canary: {"contact": {"phone": canary}},
        lambda canary: {"county": "Nowhere", "location": f"call {canary} first"},
    ]
    records = []
    for number, canary in enumerate(CANARIES):
        fields: dict[str, Any] = {"contact": canary, "location": f"Plot {number}"}
        if number % 3 == 2:
            fields |= unsound[number // 3 % len(unsound)](canary)
        records.append(
            provider(number % 480, **fields) | {"facility_name": fields.get("facility_name", name_of(number))}
        )
    write_providers(tmp_path, records)
    return tmp_path


def name_of(number: int) -> str:
    return (
        f"{provider(number % 480)['facility_name']} {'East' if number < 480 else 'West' if number < 960 else 'North'}"
    )


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    stream = io.StringIO()
    handler, root = handler_for(stream), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def titles_until(over: threading.Event, titles: set[str]) -> None:
    """Gather what the process list says of every process, the servers' too, until the import is over."""
    while not over.is_set():
        for other in psutil.process_iter(["cmdline", "name"]):
            titles.add(" ".join([*(other.info["cmdline"] or []), other.info["name"] or ""]))
        over.wait(0.01)


@in_full
def test_a_whole_import_shows_no_canary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    report, over, titles = folder / "report.html", threading.Event(), set[str]()
    arguments = ("import_facilities", "other_services", "--data-dir", str(folder), "--report", str(report))
    process = manage(url_of_test_database(), *arguments)
    watching = threading.Thread(target=titles_until, args=[over, titles])
    watching.start()
    code, out, err = finished(process)
    over.set()
    watching.join()
    assert code == 0, err
    summary = ImportRun.objects.get()
    assert SourceRecordVersion.objects.filter(state="rejected").count() > 100
    # they are all there, where they belong
    contacts = [str(contact.contact_value) for contact in FacilityContact.objects.all()]
    assert len(leaks("\n".join(contacts))) > 500
    assert any("postgres:" in title for title in titles)
    assert any("import_facilities" in title for title in titles)
    shown = {"stdout": out, "stderr": err, "report": report.read_text(), "process list": "\n".join(titles)}
    shown["run"] = f"{summary.error}"
    for listing in (("rejects", "list"), ("rejects", "list", "--json"), ("duplicates", "list")):
        shown[" ".join(listing)] = "".join(map(str, command(*listing)))
    assert {place: leaks(text) for place, text in shown.items() if leaks(text)} == {}
    assert any(json.loads(line)["event"] == "batch loaded" for line in err.splitlines() if line.startswith("{"))


REFUSAL = (
    f"RAISE EXCEPTION 'duplicate of {PHONES[0]}' USING ERRCODE = '%s', DETAIL = 'Key (contact)=({CANARIES[1]}) exists.'"
)


@pytest.mark.parametrize(
    ("state", "code"),
    [("23505", 0), ("22P02", 0), ("42501", 1), ("42P01", 1), ("53100", 1), ("40001", 5), ("57014", 1)],
)
def test_what_the_database_says_is_not_passed_on(state: str, code: int, tmp_path: Path, lines: io.StringIO) -> None:
    write_providers(tmp_path, [provider(number) for number in range(3)])
    body = f"IF NEW.facility_name LIKE '{provider(1)['facility_name']}%' THEN {REFUSAL % state}; END IF;"
    with trigger(body):
        ended, out, err = command(
            "import_facilities", "other_services", "--data-dir", str(tmp_path), "--fail-on", "never"
        )
    assert ended == code
    assert state in lines.getvalue() + err or "took longer" in err
    stored = json.dumps(list(SourceRecordVersion.objects.values_list("findings", flat=True)))
    shown = {"stdout": out, "stderr": err, "log": lines.getvalue(), "findings": stored}
    shown["run"] = " ".join(filter(None, ImportRun.objects.values_list("error", flat=True)))
    assert {place: leaks(text) for place, text in shown.items() if leaks(text)} == {}


def test_an_error_with_a_canary_for_its_text_ends_as_one_line_without_it(tmp_path: Path, lines: io.StringIO) -> None:
    write_providers(tmp_path, [provider(1)])

    def fail(_: str) -> None:
        raise ValueError(CANARIES[0]) from KeyError(CANARIES[1])

    def work() -> int:
        run_import(tmp_path, "other_services")
        fail("")
        return 0

    said: list[str] = []

    class Stderr:
        def write(self, msg: str) -> None:
            said.append(msg)

    assert run_with_exit_code(work, Stderr()) == 1
    assert len(said) == 1
    assert "ValueError" in said[0]
    assert '"type": "KeyError"' in lines.getvalue()
    assert leaks("\n".join([*said, lines.getvalue()])) == []
