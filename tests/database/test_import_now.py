"""Import now: upload, preview, confirm; undo and replay with their previews; what goes wrong, in words."""

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from core.advisory_locks import advisory_lock
from core.models import AccessLog, AuditEntry, User
from core.state import state_hash
from etl.lock import LOCK
from etl.models import ImportRun, RunRequest, SourceRecord, SourceRecordVersion
from etl.run_requests import _LOCK, _end, ask_import, settle
from facilities.models import Facility
from geography.models import County, PlaceAlias
from tests.canaries import CANARIES, _provider, leaks
from tests.site import person, visitor
from tests.world import provider, read_source, row_counts, run_import, write_providers, write_source

pytestmark = pytest.mark.django_db
ADD = "/admin/etl/runrequest/add/"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    settings.UPLOADS_DIR = tmp_path / "uploads"
    settings.RAW_DATA_DIR = tmp_path / "raw"
    settings.RAW_DATA_DIR.mkdir()
    return settings.UPLOADS_DIR


@pytest.fixture
def browser() -> Any:
    return visitor("data_engineer")


def upload(browser: Any, content: Any, *, name: str = "list.json", source: str = "other_services", **more: Any) -> Any:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    fields = {"from": "upload", "upload-source": source, "upload-parts": SimpleUploadedFile(name, data)}
    return browser.post(ADD, fields | more)


def page(asked: RunRequest) -> str:
    return f"/admin/etl/runrequest/{asked.pk}/change/"


def previewed(browser: Any, content: Any, **more: Any) -> RunRequest:
    """Return the request of an upload whose preview stands."""
    answer = upload(browser, content, **more)
    asked = RunRequest.objects.first()
    assert asked is not None, answer.context["upload"].errors
    assert answer["Location"] == page(asked)
    return asked


def decide(browser: Any, asked: RunRequest, what: str) -> Any:
    answer = browser.post(page(asked), {"do": what})
    asked.refresh_from_db()
    return answer


# upload, preview, confirm


def test_an_upload_is_previewed_confirmed_and_imported_in_the_name_of_the_person(browser: Any, uploads: Path) -> None:
    asked = previewed(browser, [provider(0), provider(1), provider(2, county="Atlantis")])
    assert asked.state == "ready"
    assert asked.preview["counts"] == {"rejected": 1, "changed": 0, "new": 2, "same": 0}
    shown = browser.get(page(asked)).content.decode()
    assert "Amani Amani Counselling Office" in shown
    assert "Atlantis" in shown
    assert "county-unknown" in shown
    assert "Nothing is written yet." in shown
    answer = decide(browser, asked, "confirm")
    run = ImportRun.objects.get()
    assert answer["Location"] == f"/admin/etl/importrun/{run.pk}/change/"
    assert (asked.state, asked.run, asked.preview["items"]) == ("done", run, [])
    assert (run.status, run.started_by.username) == ("succeeded", "a-data_engineer")
    assert Facility.objects.count() == 2
    of_run = AuditEntry.objects.filter(session_id=f"run:{run.pk}")
    assert set(of_run.values_list("changed_by__username", flat=True)) == {"a-data_engineer"}
    entry = AccessLog.objects.get(action="import")
    assert (entry.user, entry.resource, str(entry.reason)) == (
        run.started_by,
        f"run:{run.pk}",
        "asked for in the browser",
    )
    assert not list(uploads.iterdir()), "the file is deleted once it is imported"


def test_a_list_of_another_shape_is_refused_until_that_is_ticked(browser: Any) -> None:
    run_import_of(*(provider(n) for n in range(6)))
    other = [{"facility_name": f"Kituo {n}", "county": "Nairobi"} for n in range(6)]
    refused = previewed(browser, other)
    assert refused.state == "refused"
    assert "is it the right source?" in browser.get(page(refused)).content.decode()
    ticked = previewed(browser, other, **{"upload-allow_drift": "on"})
    assert ticked.state == "ready"


def test_a_preview_writes_nothing_but_the_request(browser: Any) -> None:
    run_import_of(provider(0), provider(1))
    counts, state = row_counts(), state_hash()
    asked = previewed(browser, [provider(0, contact="0733 000 111"), provider(1), provider(2)])
    assert asked.state == "ready"
    changed = {table for table, count in row_counts().items() if count != counts[table]}
    assert changed <= {"run_requests"}
    assert state_hash() == state


def run_import_of(*records: Any, folder: Path | None = None) -> dict[str, Any]:
    from django.conf import settings  # noqa: PLC0415 - as the fixture set them

    where = folder or settings.RAW_DATA_DIR
    write_providers(where, list(records))
    return run_import(where, "other_services")


def test_a_preview_says_what_changes_from_what_to_what_with_contacts_masked(browser: Any) -> None:
    run_import_of(provider(0), provider(1))
    asked = previewed(browser, [provider(0, contact="0733 000 111", service_type="Legal aid"), provider(1)])
    (item,) = asked.preview["items"]
    assert item["kind"] == "changed"
    assert item["title"] == "Amani Amani Counselling Office"
    assert sorted(item["lines"]) == [
        ["contact", "", "+2547***11"],
        ["contact", "+2547***00", ""],
        ["service", "Psychosocial support", ""],
    ]
    assert asked.preview["counts"] == {"rejected": 0, "changed": 1, "new": 0, "same": 1}
    assert "becomes" in browser.get(page(asked)).content.decode()


def test_a_preview_is_filtered_and_paged_without_importing_again(
    browser: Any, django_assert_max_num_queries: Any
) -> None:
    asked = previewed(browser, [provider(number) for number in range(60)] + [provider(61, county="Atlantis")])
    assert asked.preview["counts"]["new"] == 60
    with django_assert_max_num_queries(12):
        first = browser.get(page(asked))
    assert first.context["page"].paginator.num_pages == 2
    assert [item["kind"] for item in browser.get(page(asked), {"kind": "rejected"}).context["page"]] == ["rejected"]
    assert len(browser.get(page(asked), {"kind": "new", "page": "2"}).context["page"]) == 10
    assert browser.get(page(asked), {"kind": "nonsense", "page": "x"}).status_code == 200


def test_several_files_are_parts_of_one_source_and_their_names_are_no_paths(browser: Any, uploads: Path) -> None:
    parts = [SimpleUploadedFile(f"../../etc/part{n}.json", json.dumps([provider(n)]).encode()) for n in range(2)]
    browser.post(ADD, {"from": "upload", "upload-source": "other_services", "upload-parts": parts})
    asked = RunRequest.objects.get()
    assert asked.preview["counts"]["new"] == 2
    assert [file["name"] for file in asked.files] == ["part0.json", "part1.json"]
    (folder,) = uploads.iterdir()
    stored = sorted((folder / "other_services").iterdir())
    assert [path.name for path in stored] == ["part-0001.json", "part-0002.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in stored} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_source_of_the_servers_folder_is_imported_and_stays_there(browser: Any, settings: Any) -> None:
    path = write_providers(settings.RAW_DATA_DIR, [provider(0)])
    assert "other_services (" in browser.get(ADD).content.decode()
    browser.post(ADD, {"from": "server", "server-source": "other_services"})
    decide(browser, RunRequest.objects.get(), "confirm")
    assert Facility.objects.count() == 1
    assert path.exists()
    decide(browser, RunRequest.objects.get(), "cancel")
    assert path.exists()


# what is refused


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"facility_name": "A"', "the file ends too early"),
        (b'[{"facility_name": 1e400}]', "1e400"),
        (b"\x89PNG\r\n\x1a\n", "other_services.json"),
        (b'["a", "a"] nonsense', "other_services.json"),
    ],
)
def test_a_hostile_file_is_refused_with_one_line(content: bytes, reason: str, browser: Any) -> None:
    asked = previewed(browser, content)
    assert asked.state == "refused"
    assert reason in asked.error
    assert len(asked.error.splitlines()) == 1
    shown = browser.get(page(asked))
    assert "Import exactly this" not in shown.content.decode()
    assert browser.post(page(asked), {"do": "confirm"}).status_code == 302
    assert not ImportRun.objects.exists()


def test_an_empty_file_or_none_is_said_beside_the_field(browser: Any) -> None:
    assert upload(browser, b"").context["upload"].errors == {"parts": ["The submitted file is empty."]}
    answer = browser.post(ADD, {"from": "upload", "upload-source": "other_services"})
    assert answer.context["upload"].errors == {"parts": ["This field is required."]}
    assert upload(browser, [], source="no_such_source").context["upload"].errors["source"]
    assert not RunRequest.objects.exists()


@pytest.mark.parametrize(
    "name", ["a\0b.json", "/etc/passwd", "..\\..\\x.json", "x" * 300 + ".json", "0722 000 913.json"]
)
def test_a_hostile_file_name_is_shown_masked_and_used_for_nothing(name: str, browser: Any, uploads: Path) -> None:
    asked = previewed(browser, [provider(0)], name=name)
    assert asked.state == "ready"
    assert asked.files[0]["stored"] == "other_services.json"
    assert "000 913" not in browser.get(page(asked)).content.decode()
    assert [path.name for folder in uploads.iterdir() for path in folder.iterdir()] == ["other_services.json"]


def test_a_file_that_is_too_large_is_kept_nowhere(browser: Any, settings: Any, uploads: Path) -> None:
    settings.ETL_MAX_FILE_MB = 1
    answer = upload(browser, b" " * (2 * 1024 * 1024))
    assert answer.context["upload"].errors == {"parts": ["More than 1 MB (ETL_MAX_FILE_MB): nothing was kept."]}
    assert not RunRequest.objects.exists()
    assert not uploads.exists()


def test_a_file_that_changed_since_its_preview_is_not_imported(browser: Any, uploads: Path) -> None:
    asked = previewed(browser, [provider(0)])
    (path,) = (Path(asked.data_dir)).iterdir()
    path.write_text(json.dumps([provider(1)]))
    decide(browser, asked, "confirm")
    assert asked.state == "refused"
    assert asked.error == (
        "the file of other_services is not the one that was previewed; nothing was imported; ask for a new preview"
    )
    assert not ImportRun.objects.exists()
    decide(browser, asked, "again")
    assert (asked.state, asked.preview["counts"]["new"]) == ("ready", 1)
    decide(browser, asked, "confirm")
    assert Facility.objects.get().facility_name.startswith("Baraka")


def test_a_file_that_changes_at_the_last_moment_is_refused_by_the_run_itself(tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(0)])
    summary = run_import(tmp_path, "other_services", sha256={"other_services": "0" * 64})
    assert summary["status"] == "failed"
    assert "are not those of the preview" in summary["sources"]["other_services"]["error"]
    assert not Facility.objects.exists()


def test_a_source_that_no_preview_showed_is_not_imported_with_the_others(browser: Any, settings: Any) -> None:
    write_providers(settings.RAW_DATA_DIR, [provider(0)])
    browser.post(ADD, {"from": "server", "server-source": ""})
    asked = RunRequest.objects.get()
    assert list(asked.sha256) == ["other_services"]
    write_source(settings.RAW_DATA_DIR, "equity_afya", read_source("equity_afya"))  # it comes while the person reads
    decide(browser, asked, "confirm")
    assert Facility.objects.count() == 1
    assert asked.run is not None
    assert "not in the preview" in asked.run.summary["sources"]["equity_afya"]["error"]


def test_a_second_confirmation_imports_nothing_again(browser: Any) -> None:
    asked = previewed(browser, [provider(0)])
    decide(browser, asked, "confirm")
    answer = browser.post(page(asked), {"do": "confirm"}, follow=True)
    assert "nothing is done twice" in answer.content.decode()
    assert ImportRun.objects.count() == 1


def test_beside_another_import_it_waits_for_one_click_and_says_who_is_at_work(browser: Any) -> None:
    asked = previewed(browser, [provider(0)])
    with advisory_lock(LOCK, name="lock"):
        decide(browser, asked, "confirm")
        assert asked.state == "ready"
        shown = browser.get(page(asked)).content.decode()
        assert "another import holds the lock: a dry run on " in shown
        assert f"pid {os.getpid()}, since " in shown
        second = previewed(browser, [provider(1)])
        assert second.state == "refused"
    decide(browser, second, "again")
    assert second.state == "ready"
    decide(browser, asked, "confirm")
    assert asked.state == "done"


def test_a_file_that_another_request_wants_stays_until_that_is_over(browser: Any, uploads: Path) -> None:
    first = previewed(browser, [provider(0)])
    second = ask_import(data_dir=Path(first.data_dir), sources=first.sources, user=first.asked_by)
    decide(browser, first, "cancel")
    assert [path.name for path in uploads.iterdir()] == [Path(second.data_dir).name]
    decide(browser, second, "cancel")
    assert not list(uploads.iterdir())


def test_cancelling_deletes_the_file_and_an_old_one_goes_by_itself(browser: Any, uploads: Path) -> None:
    first, second = previewed(browser, [provider(0)]), previewed(browser, [provider(1)])
    decide(browser, first, "cancel")
    assert (first.state, first.preview) == ("cancelled", {})
    assert [path.name for path in uploads.iterdir()] == [Path(second.data_dir).name]
    yesterday = time.time() - 25 * 60 * 60
    os.utime(second.data_dir, (yesterday, yesterday))
    browser.get(ADD)
    assert not list(uploads.iterdir())
    decide(browser, second, "confirm")
    assert "is not there any more" in second.error
    assert not ImportRun.objects.exists()


def test_who_may_not_import_sees_and_stores_nothing(browser: Any, uploads: Path) -> None:
    asked = previewed(browser, [provider(0)])
    decide(browser, asked, "confirm")
    run = ImportRun.objects.get()
    for role in ("viewer", "data_analyst", "safeguarding_lead", "admin"):
        other = visitor(role)
        assert other.get(ADD).status_code == 403
        assert upload(other, [provider(1)]).status_code == 403
        assert other.get(page(asked)).status_code == 403
        assert other.post(page(asked), {"do": "cancel"}).status_code == 403
        assert other.get(f"/admin/etl/runrequest/{asked.pk}/status/").status_code == 403
        assert other.post(f"/admin/etl/importrun/{run.pk}/ask/", {"what": "undo"}).status_code == 403
        assert 'value="undo"' not in other.get(f"/admin/etl/importrun/{run.pk}/change/").content.decode()
        assert "Import now" not in other.get("/admin/etl/importrun/").content.decode()
    assert RunRequest.objects.count() == 1
    assert not list(uploads.iterdir())


def test_who_lost_the_role_meanwhile_imports_nothing(browser: Any, settings: Any) -> None:
    settings.ETL_INLINE_RECORDS = 0
    asked = previewed(browser, [provider(0)])
    person("data_engineer").groups.clear()
    work()
    asked.refresh_from_db()
    assert (asked.state, asked.error) == ("refused", "a-data_engineer may not import any more")


# confidential places


def test_a_confidential_place_is_in_no_preview_and_on_no_page(browser: Any) -> None:
    shelters = [_provider(canary) for canary in CANARIES[:6]]
    asked = previewed(browser, [provider(0), *shelters])
    assert asked.preview["counts"]["new"] == 7
    assert told_of(browser, asked) == set()
    decide(browser, asked, "confirm")
    assert Facility.objects.filter(is_confidential=True).count() == 6
    shelters[0] |= {"location": "Qx09canarylane 7", "contact": "0722709913", "service_type": "Shelter; Legal aid"}
    again = previewed(browser, [provider(0), *shelters])
    (item,) = again.preview["items"]
    assert (item["title"], {tuple(line[1:]) for line in item["lines"]}) == ("a confidential place", {("", "")})
    assert {line[0] for line in item["lines"]} >= {"contact", "service"}
    assert told_of(browser, again) == set()
    undo = ask(browser, asked.run, "undo")
    assert told_of(browser, undo) == set()


def told_of(browser: Any, asked: RunRequest) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(r::text, ' ') FROM run_requests r")
        (rows,) = cursor.fetchone()
    return leaks(rows) | leaks(browser.get(page(asked)).content.decode())


def test_a_preview_is_withdrawn_when_a_place_in_it_turns_confidential(browser: Any) -> None:
    run_import_of(provider(0))
    asked = previewed(browser, [provider(0, contact="0733 000 111")])
    assert "Amani" in json.dumps(asked.preview)
    facility = Facility.objects.with_details().get()
    facility.is_confidential = True
    facility.save()
    asked.refresh_from_db()
    assert (asked.state, asked.preview) == ("refused", {})
    assert "a place turned confidential" in asked.error
    assert "Amani" not in browser.get(page(asked)).content.decode()


def test_a_preview_in_the_making_is_not_kept_when_a_place_turns_confidential(browser: Any) -> None:
    run_import_of(provider(0))
    asked = previewed(browser, [provider(0, contact="0733 000 111")])
    shown = asked.preview
    RunRequest.objects.update(state="working", preview={})  # its worker read the place, and has yet to say so
    asked.refresh_from_db()
    facility = Facility.objects.with_details().get()
    facility.is_confidential = True
    facility.save()
    _end(asked, RunRequest.State.READY, preview=shown)
    asked.refresh_from_db()
    assert (asked.state, asked.preview) == ("refused", {})
    assert "a place turned confidential" in asked.error


# the run's page


def ask(browser: Any, run: ImportRun, what: str) -> RunRequest:
    answer = browser.post(f"/admin/etl/importrun/{run.pk}/ask/", {"what": what})
    asked = RunRequest.objects.first()
    assert answer["Location"] == page(asked)
    return asked


def test_undo_shows_first_what_it_would_take_back(browser: Any) -> None:
    run_import_of(provider(0), provider(1))
    write = [provider(0, contact="0733 000 111"), provider(1), provider(2), provider(3)]
    second = ImportRun.objects.get(pk=run_import_of(*write)["run"])
    kept = Facility.objects.get(facility_name__startswith=provider(3)["facility_name"][:14])
    browser.get("/")
    kept.town = "Limuru"
    kept.save()
    before = state_hash()
    asked = ask(browser, second, "undo")
    assert asked.preview["counts"] == {"kept": 1, "removed": 1, "restored": 1}
    assert state_hash() == before
    shown = browser.get(page(asked)).content.decode()
    assert "changed since by" in shown.lower()
    assert "Undo run" in shown
    decide(browser, asked, "confirm")
    assert Facility.objects.count() == 3
    second.refresh_from_db()
    assert second.undone_by == asked.run
    assert asked.run.started_by.username == "a-data_engineer"
    assert f"undone by run {asked.run_id}" in browser.get("/admin/etl/importrun/").content.decode()


def test_the_rejects_of_a_run_are_replayed_by_its_button(browser: Any) -> None:
    run = ImportRun.objects.get(pk=run_import_of(provider(0), provider(1, county="Nairoberry"))["run"])
    code = County.objects.get(county_name="Nairobi").county_code
    PlaceAlias.objects.create(alias="Nairoberry", target_code=code, level="county", kind="spelling")
    assert "Replay its 1 new reject" in browser.get(f"/admin/etl/importrun/{run.pk}/change/").content.decode()
    asked = ask(browser, run, "replay")
    assert (asked.state, asked.preview["counts"]) == ("ready", {"to replay": 1})
    assert Facility.objects.count() == 1
    decide(browser, asked, "confirm")
    assert (asked.state, asked.run.kind, Facility.objects.count()) == ("done", "replay", 2)
    assert "Replay its" not in browser.get(f"/admin/etl/importrun/{run.pk}/change/").content.decode()


def test_every_count_of_a_run_opens_just_as_many_records(browser: Any, django_assert_max_num_queries: Any) -> None:
    run_import_of(*map(provider, range(4)), provider(5, county="Atlantis"))
    changed = (
        provider(0, contact="0733 000 111"),
        *map(provider, range(1, 4)),
        provider(5, county="Atlantis"),
        provider(6),
    )
    run = ImportRun.objects.get(pk=run_import_of(*changed)["run"])
    with django_assert_max_num_queries(25):
        answer = browser.get(f"/admin/etl/importrun/{run.pk}/change/")
    cells = [cell for cell in answer.content.decode().split("<td>") if cell.startswith('<a href="/admin/etl/')]
    links = [cell.split('"')[1].replace("&amp;", "&") for cell in cells]
    counts = [int(cell.split("</a>")[0].rsplit(">", 1)[1]) for cell in cells]
    assert len(links) == 2 * len(["read", "created", "updated", "unchanged", "rejected"])
    for link, count in zip(links, counts, strict=True):
        answer = browser.get(link)
        assert (answer.status_code, answer.context["cl"].result_count) == (200, count), link


def test_an_interrupted_import_goes_on_from_its_page(browser: Any, settings: Any) -> None:
    run_import_of(provider(0), provider(1))
    ImportRun.objects.update(status="interrupted", error="its process ended without a word")
    run = ImportRun.objects.get()
    assert "Import again" in browser.get(f"/admin/etl/importrun/{run.pk}/change/").content.decode()
    asked = ask(browser, run, "again")
    assert asked.state == "ready"
    decide(browser, asked, "confirm")
    run.refresh_from_db()
    assert (asked.run, run.status, run.attempt, ImportRun.objects.count()) == (run, "succeeded", 2, 1)


def test_a_running_run_shows_its_step_and_a_dead_one_says_what_to_do(browser: Any) -> None:
    run_import_of(provider(0))
    ImportRun.objects.update(status="running", step="pass 2")
    run = ImportRun.objects.get()
    with advisory_lock(LOCK, name="lock"):
        shown = browser.get(f"/admin/etl/importrun/{run.pk}/change/").content.decode()
        status = browser.get(f"/admin/etl/importrun/{run.pk}/status/").json()
    assert "Writing facilities, county by county" in shown
    assert status == {"state": "running", "step": "writing facilities, county by county"}
    shown = browser.get(f"/admin/etl/importrun/{run.pk}/change/").content.decode()
    assert "Its process ended without a word." in shown
    assert browser.get(f"/admin/etl/importrun/{run.pk}/status/").json()["state"] == "dead"


# the worker


def work() -> None:
    """Do what waits as the worker does; its loop closes connections, and with it a test's transaction."""
    queues = {"queue_names": ["*"], "excluded_queue_names": [], "backend_name": "default", "worker_id": "of-a-test"}
    worker = Worker(**queues, interval=0, batch=True, startup_delay=False, max_tasks=None)
    for task in DBTaskResult.objects.ready():
        task.claim(worker.worker_id)
        worker.run_task(task)


def test_a_large_file_waits_for_the_worker_and_the_task_holds_nothing_but_a_number(browser: Any, settings: Any) -> None:
    settings.ETL_INLINE_RECORDS = 1
    asked = previewed(browser, [provider(0), provider(1)])
    assert (asked.state, asked.is_large) == ("queued", True)
    shown = browser.get(page(asked)).content.decode()
    assert "Waiting for a worker" in shown
    assert f'data-watch="/admin/etl/runrequest/{asked.pk}/status/"' in shown
    RunRequest.objects.update(state_since="2026-01-01T00:00:00Z")
    assert "manage.py db_worker" in browser.get(page(asked)).content.decode()
    work()
    asked.refresh_from_db()
    assert (asked.state, asked.preview["counts"]["new"]) == ("ready", 2)
    decide(browser, asked, "confirm")
    assert browser.get(f"/admin/etl/runrequest/{asked.pk}/status/").json() == {"state": "run queued", "step": ""}
    work()
    asked.refresh_from_db()
    assert (asked.state, asked.run.status, asked.run.started_by.username) == ("done", "succeeded", "a-data_engineer")
    tasks = DBTaskResult.objects.values_list("args_kwargs", "return_value", "traceback", "status")
    assert list(tasks) == [({"args": [asked.pk], "kwargs": {}}, None, "", "SUCCESSFUL")] * 2
    assert visitor("superuser").get("/admin/django_tasks_database/dbtaskresult/").status_code == 404


def test_what_is_cancelled_in_the_queue_is_not_done(browser: Any, settings: Any) -> None:
    settings.ETL_INLINE_RECORDS = 0
    asked = previewed(browser, [provider(0)])
    decide(browser, asked, "cancel")
    work()
    asked.refresh_from_db()
    assert (asked.state, asked.preview) == ("cancelled", {})


def test_a_request_whose_worker_was_killed_says_so_and_goes_on(browser: Any) -> None:
    asked = previewed(browser, [provider(0)])
    RunRequest.objects.update(state="working", phase="run")
    asked.refresh_from_db()
    with advisory_lock(_LOCK | asked.pk, name="request"):
        settle(asked)
        assert asked.state == "working"
    shown = browser.get(page(asked)).content.decode()
    assert "Its process ended without a word. The work ended half-way." in shown
    assert "nothing is lost" in shown
    decide(browser, asked, "again")
    assert asked.state == "ready"
    decide(browser, asked, "confirm")
    assert (asked.state, Facility.objects.count()) == ("done", 1)


def test_an_error_that_nobody_foresaw_is_told_by_its_type_only(browser: Any, settings: Any) -> None:
    asked = previewed(browser, [provider(0)])
    RunRequest.objects.update(sources=5)  # no list: a fault of the program
    decide(browser, asked, "confirm")
    assert (asked.state, asked.error) == ("failed", "it failed (TypeError); look into the log")
    assert not ImportRun.objects.exists()
    assert not SourceRecord.objects.exists()
    assert not SourceRecordVersion.objects.exists()
    assert User.objects.exists()


def test_a_reject_that_may_be_a_shelter_is_quoted_in_no_preview_and_no_report(browser: Any) -> None:
    hidden, odd = CANARIES[1], CANARIES[4]
    unknown = _provider(hidden) | {"county": hidden.words[1], "service_type": "Nyumba salama"}
    asked = previewed(browser, [provider(0), unknown, _provider(odd) | {odd.name: odd.phone}])
    assert asked.preview["counts"] == {"rejected": 1, "changed": 0, "new": 2, "same": 0}
    assert told_of(browser, asked) == set()
    decide(browser, asked, "confirm")
    assert asked.state == "done"
    report = visitor("viewer").get(f"/admin/etl/importrun/{asked.run_id}/report/").content.decode()
    assert "county-unknown" in report
    assert "Inferred schema" in report
    assert leaks(report) == set()


def test_a_source_that_came_after_the_preview_is_not_imported(browser: Any, settings: Any) -> None:
    write_providers(settings.RAW_DATA_DIR, [provider(0)])
    browser.post(ADD, {"from": "server", "server-source": ""})
    asked = RunRequest.objects.get()
    assert asked.state == "ready"
    write_source(settings.RAW_DATA_DIR, "kps_stations", read_source("kps_stations"))
    decide(browser, asked, "confirm")
    assert asked.state == "done"
    assert Facility.objects.count() == 1
    assert "not in the preview" in asked.run.summary["sources"]["kps_stations"]["error"]
