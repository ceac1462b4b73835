"""What each health check says, and that a probe is answered with as much as its visitor may see."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from core.advisory_locks import advisory_lock
from core.backups.sealed_backup import write_backup
from core.bounded import Lane
from core.health import CHECKS, Check, Status, Verdict, as_lines, as_report, healthy, judge, unhealthy
from core.models import KeyCheck
from core.probes import Latest
from etl.lock import LOCK
from etl.models import ImportRun, RunRequest, SourceFile
from etl.run_requests import _LOCK
from tests.site import person, visitor

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.django_db
NAMES = ["database", "migrations", "keys", "disk", "backups", "sources", "rejects", "lock", "worker"]


@pytest.fixture(autouse=True)
def no_backups(settings: Any) -> None:
    """Look away from the backups that a developer made in this checkout."""
    settings.BACKUP_DIR = settings.VAR_DIR / "backups-of-tests"


def verdict(name: str) -> Verdict:
    return judge(next(check for check in CHECKS if check.name == name))


def is_ill(name: str, *said: str) -> bool:
    """Return whether a check is unhealthy and says so in these words, in one line."""
    found = verdict(name)
    assert "\n" not in found.details
    return found.status is Status.UNHEALTHY and all(word in found.details for word in said)


def test_the_checks_are_these_and_the_docs_explain_each() -> None:
    assert [check.name for check in CHECKS] == NAMES
    text = (ROOT / "docs" / "monitoring.md").read_text()
    table = text.partition("### Checks")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == NAMES


def test_after_an_import_all_is_well(imported: dict[str, Any]) -> None:
    found = {name: verdict(name) for name in NAMES}
    assert {name: v.details for name, v in found.items() if v.status is not Status.HEALTHY} == {}
    assert found["backups"].details == "none yet: the registry is new"
    assert found["rejects"].details == "11 wait"


# database, migrations, keys


def test_a_pending_migration_is_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE; DELETE FROM django_migrations WHERE app = 'etl' AND name LIKE '0009%'")
    assert is_ill("migrations", "1 are pending: etl.0009_run_requests", "manage.py migrate")


def test_other_keys_are_told_in_the_guards_words(settings: Any) -> None:
    assert KeyCheck.objects.exists()
    settings.FIELD_KEYS = "another key that is long enough for a key to pass"
    assert is_ill("keys", "FIELD_KEYS cannot open what this database holds")


# disk


def test_a_disk_with_little_room_is_named(settings: Any) -> None:
    settings.HEALTH_MIN_FREE_MB = 10**9
    assert is_ill("disk", "var: ", "less than HEALTH_MIN_FREE_MB = 1000000000")


def test_a_backup_folder_that_is_not_mounted_is_named(settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_DIR = tmp_path / "not-mounted"
    assert is_ill("disk", "BACKUP_DIR is not there")
    settings.BACKUP_DIR = settings.VAR_DIR / "backups-to-be"
    assert verdict("disk").status is Status.HEALTHY


def test_the_folder_of_the_metrics_counts_too(settings: Any, tmp_path: Path) -> None:
    settings.ETL_TEXTFILE = str(tmp_path / "no" / "gvrc.prom")
    assert is_ill("disk", "ETL_TEXTFILE is not there")


# backups


@pytest.fixture
def backups(settings: Any, tmp_path: Path) -> Callable[[timedelta], None]:
    settings.BACKUP_DIR = tmp_path

    def made(ago: timedelta) -> None:
        with (tmp_path / f"gvrc-admin-{datetime.now(UTC) - ago:%Y%m%dT%H%M%SZ}.backup").open("wb") as file:
            write_backup(file, iter([b"a dump"]), manifest={}, key=settings.BACKUP_KEY)

    return made


def test_an_old_backup_is_unhealthy_until_a_new_one_is_made(backups: Callable[[timedelta], None]) -> None:
    backups(timedelta(hours=30))
    assert is_ill("backups", "30 h old", "BACKUP_FRESH_HOURS = 26")
    backups(timedelta(minutes=5))
    assert verdict("backups") == healthy("the last proven one is 5 min old")


def test_a_backup_of_a_clock_that_was_wrong_does_not_keep_the_check_quiet(backups: Callable[[timedelta], None]) -> None:
    backups(timedelta(minutes=5))
    backups(timedelta(days=-400))
    assert is_ill("backups", "which is to come", "set the clock right")


def test_a_backup_that_the_key_does_not_open_or_that_lost_its_end_is_unhealthy(
    backups: Callable[[timedelta], None], settings: Any
) -> None:
    backups(timedelta(minutes=5))
    right, settings.BACKUP_KEY = settings.BACKUP_KEY, "another-key-that-somebody-set-and-told-nobody"
    assert is_ill("backups", "none of BACKUP_KEY opens it")
    settings.BACKUP_KEY = right
    (file,) = settings.BACKUP_DIR.glob("*.backup")
    file.write_bytes(file.read_bytes()[:-1])
    assert is_ill("backups", "is damaged")


def test_a_registry_that_is_not_new_wants_a_backup(backups: Callable[[timedelta], None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE; UPDATE django_migrations SET applied = applied - interval '27 hours'")
    assert is_ill("backups", "none yet", "backup_database")


# sources and rejects


def test_sources_that_were_never_read_are_named() -> None:
    assert is_ill("sources", "regional: never", "category_B: never")


def test_a_source_that_is_late_is_named_alone(imported: dict[str, Any]) -> None:
    ImportRun.objects.update(finished_at=timezone.now() - timedelta(hours=27))
    assert is_ill("sources", "regional: 27 h ago", "ETL_FRESH_HOURS = 26")


def test_a_source_that_nobody_tried_to_read_is_left_out(imported: dict[str, Any]) -> None:
    SourceFile.objects.filter(source="equity_afya").update(source="another")
    found = verdict("sources")
    assert found.status == Status.HEALTHY
    assert found.details.endswith("; nobody tried to read equity_afya")


def test_many_rejects_are_unhealthy(imported: dict[str, Any], settings: Any) -> None:
    settings.HEALTH_MAX_REJECTS = 10
    assert is_ill("rejects", "11 wait, more than HEALTH_MAX_REJECTS = 10")


# lock and worker


def running(**values: Any) -> ImportRun:
    fresh = {"started_by": person("admin"), "host": "h", "pid": 77, "started_at": timezone.now(), "status": "running"}
    return ImportRun.objects.create(**fresh | values)


def test_a_run_at_work_is_told_and_one_whose_process_is_gone_is_unhealthy() -> None:
    run = running()
    with advisory_lock(LOCK, name="lock"):
        assert verdict("lock").status is Status.HEALTHY
        assert f"run {run.pk} holds it since" in verdict("lock").details
    assert is_ill("lock", f"run {run.pk}", "process is gone", "--resume")


def test_a_run_that_takes_too_long_is_unhealthy() -> None:
    running(started_at=timezone.now() - timedelta(hours=7))
    with advisory_lock(LOCK, name="lock"):
        assert is_ill("lock", "HEALTH_MAX_RUN_HOURS = 6", "pid 77")


def test_a_dry_run_holds_the_lock_and_is_well() -> None:
    with advisory_lock(LOCK, name="lock"):
        assert verdict("lock").details.startswith("held by a dry run")


def ask(state: str, *, ago: timedelta) -> RunRequest:
    since = timezone.now() - ago
    return RunRequest.objects.create(
        kind="import", state=state, state_since=since, asked_at=since, asked_by=person("data_engineer"), is_large=True
    )


def test_what_waits_for_a_worker_that_does_not_come_is_unhealthy() -> None:
    ask("queued", ago=timedelta(minutes=5))
    assert verdict("worker").status is Status.HEALTHY
    ask("queued", ago=timedelta(minutes=15))
    assert is_ill("worker", "2 wait", "start `manage.py db_worker`")
    busy = ask("working", ago=timedelta(hours=1))
    assert is_ill("worker", "2 wait")  # it says that it works, and its process is gone
    with advisory_lock(_LOCK | busy.pk, name="request"):
        assert verdict("worker").status is Status.HEALTHY


# verdicts


def fail() -> Verdict:
    raise RuntimeError("Amani Safe House, 0722 000 111")


def test_a_check_that_fails_is_an_error_without_its_text() -> None:
    assert judge(Check("x", fail)) == Verdict(Status.ERROR, "the check itself failed (RuntimeError)")


def test_a_report_has_the_shape_of_the_document() -> None:
    report = as_report({"a": healthy("fine"), "b": unhealthy("look there")})
    assert report["overall_status"] == "unhealthy"
    assert json.loads(json.dumps(report))["checks"]["b"] == {"status": "unhealthy", "details": "look there"}
    assert datetime.fromisoformat(report["timestamp"]).utcoffset() == timedelta(0)
    assert as_lines(report)[0].split() == ["unhealthy", "b", "look", "there"]
    assert as_report({"a": Verdict(Status.ERROR, "")})["overall_status"] == "unhealthy"


# the connection of the checks


def test_checks_have_a_connection_of_their_own_to_the_same_database_and_only_read() -> None:
    found: list[Any] = []

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_database(), current_user, pg_backend_pid(), current_setting('statement_timeout')"
            )
            found.append(cursor.fetchone())
            cursor.execute("UPDATE users SET is_staff = is_staff")
            found.append("written")

    assert Lane().start(look).wait(5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_user, pg_backend_pid()")
        name, user, pid = cursor.fetchone()
    assert found[0][:2] == (name, user)
    assert found[0][2] != pid
    assert found[1:] == []
    assert found[0][3] == "2s"


def test_beside_work_that_hangs_nothing_else_begins() -> None:
    lane, gate, seen = Lane(), threading.Event(), []
    first = lane.start(gate.wait)
    assert not lane.start(lambda: seen.append(1)).wait(0.1)
    gate.set()
    assert first.wait(5)
    assert lane.start(lambda: seen.append(2)).wait(5)
    assert seen == [2]


def test_a_machine_without_a_free_thread_is_no_lasting_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    lane = Lane()
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        assert not lane.start(lambda: None).wait(0.01)
    assert lane.start(lambda: None).wait(5)


# probes; staff logged in for good are in tests/commands/test_watching.py


def test_liveness_asks_no_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (200, b"ok", "no-store")


def test_readiness_tells_a_visitor_the_outcome_alone() -> None:
    answer = Client().get("/readyz")
    assert answer.status_code in {200, 503}
    assert set(answer.json()) == {"overall_status", "timestamp"}
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/"])
def test_a_head_is_answered_and_a_post_is_refused(path: str) -> None:
    head = Client().head(path)
    assert (head.content, head["Cache-Control"]) == (b"", "no-store")
    assert int(head["Content-Length"]) > 1
    for method in ("post", "put", "delete", "options"):
        refused = getattr(Client(), method)(path)
        assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD")


def test_a_probe_asks_the_checks_once_in_two_seconds_and_logs_no_answer(
    imported: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, seen = Client(), []
    monkeypatch.setattr("core.health.CHECKS", [Check("database", lambda: seen.append(1) or unhealthy("down"))])
    assert [browser.get("/readyz").status_code for _ in range(50)] == [503] * 50
    assert len(seen) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "health-changed" in caplog.text


def test_while_the_checks_hang_other_visitors_get_the_answer_before(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, hangs, gate = [], threading.Event(), threading.Event()

    def look() -> Verdict:
        looks.append(1)
        if len(looks) > 1:
            hangs.set()
            gate.wait(5)
        return healthy("there")

    monkeypatch.setattr("core.health.CHECKS", [Check("disk", look, needs_database=False)])
    monkeypatch.setattr("core.probes.KEPT", 0.0)
    latest = Latest()
    first = latest.report()
    searching = threading.Thread(target=latest.report)
    searching.start()
    assert hangs.wait(5)
    assert latest.report() is first
    monkeypatch.setattr("core.probes.LONGEST", 0.0)  # too old: this one waits
    waiting = threading.Thread(target=latest.report)
    waiting.start()
    assert waiting.is_alive()
    gate.set()
    for asking in (searching, waiting):
        asking.join(5)
        assert not asking.is_alive()


def test_a_session_that_nobody_has_opens_nothing() -> None:
    browser = visitor("anonymous")
    browser.cookies["sessionid"] = "a" * 32
    assert set(browser.get("/readyz").json()) == {"overall_status", "timestamp"}
