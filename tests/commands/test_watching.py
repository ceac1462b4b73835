"""Probes, health_check, metrics and pings under production's settings, on a server of their own that is stopped and broken."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.embedded_postgres import Server, stop
from etl.lock import import_lock
from tests.faults.world import in_full
from tests.production import ROOT, environment, on, start_postgres
from tests.web_server import serving
from tests.world import RAW

SECRETS = ("s7-Kilimani-west", "gvrc_app", "host=", "SELECT", "/postgres", "127.0.0.1", "localhost")


def production(changed: dict[str, str | None], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, *command), cwd=ROOT, env=environment(changed), capture_output=True, text=True, check=False,
        timeout=90,
    )  # fmt: skip


def health(changed: dict[str, str | None], *, is_well: bool = False) -> dict[str, dict[str, str]]:
    """Return what `health_check --json` says of each check; it names no secret, and logs nothing."""
    done = production(changed, "manage.py", "health_check", "--json")
    assert done.returncode == (0 if is_well else 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["overall_status"] == ("healthy" if is_well else "unhealthy")
    assert [word for word in SECRETS if word in done.stdout + done.stderr] == []
    checks: dict[str, dict[str, str]] = report["checks"]
    return checks


def status(checks: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: told["status"] for name, told in checks.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("watching") / "postgres"
    yield start_postgres(place)
    stop(place)


FILL = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("load_geography", stdout=sys.stderr)
print("filled", file=sys.stderr)
call_command("import_facilities", "--data-dir", sys.argv[1], "--quiet")
"""


@pytest.fixture(scope="module")
def empty(server: Server) -> dict[str, dict[str, str]]:
    """What is said of a database without a table."""
    return health(on(server))


@pytest.fixture(scope="module")
def filled(server: Server, empty: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an import told the ping and the metrics."""
    folder = tmp_path_factory.mktemp("metrics")
    with serving() as heard:
        told = {"ETL_PING_URL": f"{heard.url}/secret-of-ours", "ETL_TEXTFILE": str(folder / "gvrc.prom")}
        done = production(on(server) | told, "-c", FILL, str(RAW))
    return {"done": done, "heard": heard, "file": folder / "gvrc.prom"}


def test_a_database_without_tables_is_unhealthy_in_valid_json(empty: dict[str, dict[str, str]]) -> None:
    assert empty["database"]["status"] == "healthy"
    assert "the database is empty" in empty["migrations"]["details"]
    assert empty["sources"] == {"status": "error", "details": "the database failed (UndefinedTable, SQLSTATE 42P01)"}


def test_an_import_pings_writes_metrics_and_says_nothing(filled: dict[str, Any]) -> None:
    done = filled["done"]
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "filled", "it is quiet on success"
    assert filled["heard"].requests == ["GET /secret-of-ours/start", "GET /secret-of-ours/0"]
    assert filled["file"].stat().st_mode & 0o777 == 0o644
    assert 'gvrc_last_success_timestamp_seconds{source="regional"}' in filled["file"].read_text()


def test_a_dry_run_pings_nobody_and_a_refusal_is_pinged(
    run_command: Callable[..., tuple[int, str, str]], settings: Any, tmp_path: Path
) -> None:
    with serving() as heard:
        settings.ETL_PING_URL = heard.url
        assert run_command("regional", "--data-dir", tmp_path, "--dry-run")[0] == 1
        assert heard.requests == []
        assert run_command("no_such_source")[0] == 2
        with import_lock():
            assert run_command("regional", "--data-dir", tmp_path)[0] == 3
    assert heard.requests == ["GET /start", "GET /2", "GET /start", "GET /3"]


PROBE = """
import re, time
from django.conf import settings
import core.wsgi
from django.test import Client
from django.contrib.sessions.models import Session
from core.models import AccessLog, User
from etl.models import ImportRun
# a probe by plain http, to an address that ALLOWED_HOSTS does not have
asked = {"headers": {"host": "10.0.0.7:8000"}, "REMOTE_ADDR": "127.0.0.1"}
visitor = Client(enforce_csrf_checks=True)
for path in ("/healthz", "/readyz"):
    answer = visitor.get(path, **asked)
    print(path, answer.status_code, sorted(answer.headers), bool(answer.cookies))
print(visitor.head("/readyz", **asked).status_code, visitor.post("/readyz", **asked).status_code)
print(visitor.get("/admin/login/", **asked).status_code)
staff = User.objects.create_user("asha", password="a long password of hers", is_staff=True)
plain = User.objects.create_user("njeri", password="a long password of hers")
gone = User.objects.create_user("otieno", password="a long password of his", is_staff=True)
for user in (staff, plain, gone):
    browser = Client()
    browser.force_login(user)
    if user is gone:
        User.objects.filter(pk=gone.pk).update(is_active=False)
    answer = browser.get("/readyz", secure=True, headers={"host": "registry.example.or.ke"})
    print(user.username, sorted(answer.json()), bool(answer.cookies))
browser.force_login(staff)
User.objects.filter(pk=staff.pk).update(password="changed since")
before = Session.objects.count()
print("changed", sorted(browser.get("/readyz", secure=True).json()), Session.objects.count() == before)
"""


def test_a_probe_gets_in_and_staff_see_more(filled: dict[str, Any], server: Server) -> None:
    done = production(on(server), "-c", PROBE)
    assert done.returncode == 0, done.stderr
    headers = ["Cache-Control", "Content-Type", "X-Content-Type-Options"]
    assert done.stdout.splitlines() == [
        f"/healthz 200 {headers} False",
        f"/readyz 200 {headers} False",
        "200 405",
        "400",
        "asha ['checks', 'overall_status', 'timestamp'] False",
        "njeri ['overall_status', 'timestamp'] False",
        "otieno ['overall_status', 'timestamp'] False",
        "changed ['overall_status', 'timestamp'] True",
    ]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    loud = [event["logger"] for event in events if event["level"] != "info"]
    assert loud == ["django.security.DisallowedHost"], "of the request that was no probe"


def test_other_keys_and_a_backup_folder_that_is_not_there_are_told(filled: dict[str, Any], server: Server) -> None:
    wrong = {"FIELD_KEYS": "quite-another-field-key-0123456789-abcdef", "BACKUP_DIR": "/nowhere/at/all"}
    checks = health(on(server) | wrong)
    assert {name for name, found in status(checks).items() if found == "unhealthy"} == {"keys", "disk"}
    assert "FIELD_KEYS cannot open" in checks["keys"]["details"]
    assert checks["disk"]["details"] == "BACKUP_DIR is not there: mount or make it"


# a database that is down, or up and silent

ASK = """
import json, os, sys, time, django
django.setup()
from django.core.management import call_command
from django.test import Client
browser = Client()
browser.cookies["__Host-sessionid"] = "a" * 32
for _ in range(2):
    started = time.monotonic()
    answer = browser.get("/readyz", headers={"host": "10.0.0.7"})
    print(answer.status_code, sorted(answer.json()), time.monotonic() - started < 3.3)
print(browser.get("/healthz").status_code)
call_command("health_check", "--json")
"""


def assert_told_in_time(changed: dict[str, str | None]) -> None:
    """Check that a probe and the command have their answers soon, and that two probes leave one line in the log."""
    done = production(changed, "-c", ASK)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == [*["503 ['overall_status', 'timestamp'] True"] * 2, "200"]
    assert [json.loads(line)["code"] for line in done.stderr.splitlines()] == ["health-changed"]
    found = status(json.loads("".join(lines[3:]))["checks"])
    assert (found["database"], found["sources"], found["disk"]) == ("error", "error", "healthy")
    assert [word for word in SECRETS if word in done.stdout + done.stderr] == []


def test_a_database_that_is_away_is_told() -> None:
    assert_told_in_time({"DATABASE_URL": "postgres://gvrc_app@/gvrc_admin?host=/nowhere"})


@in_full
def test_a_port_that_swallows_everything_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert_told_in_time({"DATABASE_URL": f"postgres://gvrc_app:s7-Kilimani-west@127.0.0.1:{port}/gvrc_admin"})


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """Stop a server with all of its processes, as a disk that does not answer would."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def test_a_server_that_is_up_and_silent_is_told_and_well_again(filled: dict[str, Any], server: Server) -> None:
    with paused(server):
        assert_told_in_time(on(server))
    assert set(status(health(on(server), is_well=True)).values()) == {"healthy"}


@in_full
def test_metrics_that_cannot_be_read_leave_the_old_file(filled: dict[str, Any], server: Server) -> None:
    before = filled["file"].read_text()
    with paused(server):
        done = production(on(server), "manage.py", "write_metrics", "--output", str(filled["file"]))
    assert (done.returncode, done.stdout) == (5, "")
    assert filled["file"].read_text() == before
