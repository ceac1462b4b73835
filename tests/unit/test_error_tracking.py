"""What an error tracker is told: code, fingerprint, types and places; no text, no value, no address, and never late."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.core.exceptions import ImproperlyConfigured

from core.error_tracking import _Reporting, keep_ours, start_tracking
from etl.errors import EtlError
from tests.known_contacts import EMAILS, PHONES
from tests.unit.test_logs import capture, raised
from tests.web_server import Heard, free_port, never, serving

log = structlog.get_logger("tests")
NAME, PASSWORD, SQL = "Amani Safe House", "s7-Kilimani-west", "SELECT contact_value FROM facility_contacts"
PLANTED = [NAME, PASSWORD, SQL, *PHONES[:15], *EMAILS[:5]]


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    yield from capture(io.StringIO())
    start_tracking("")


def dsn(heard: Heard) -> str:
    return f"http://{'a' * 32}@127.0.0.1:{heard.port}/1"


def sent(heard: Heard) -> list[dict[str, Any]]:
    """Return the events that arrived."""
    assert _Reporting.tracker is not None
    _Reporting.tracker.flush(timeout=5)
    return [json.loads(line) for body in heard.bodies for line in body.splitlines() if '"platform"' in line]


def fail(value: str) -> BaseException:
    held_in_a_local = f"{value} {NAME} {PASSWORD}"
    return raised(ValueError(f"{held_in_a_local} {SQL}"), cause=raised(EtlError(f"cannot read {value}")))


def test_a_fault_arrives_with_code_fingerprint_types_and_places(lines: io.StringIO) -> None:
    with serving() as heard:
        start_tracking(dsn(heard))
        log.error("failed", code="database-lost", run=12, source="regional", exc_info=fail(PHONES[0]))
        (event,) = sent(heard)
    logged = json.loads(lines.getvalue())
    assert event["fingerprint"] == [logged["fingerprint"]]
    assert event["tags"] == {
        "code": "database-lost", "run": "12", "source": "regional", "fingerprint": logged["fingerprint"],
    }  # fmt: skip
    assert [error["type"] for error in event["exception"]["values"]] == ["etl.errors.EtlError", "ValueError"]
    last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert last["filename"] == "tests/unit/test_logs.py"
    assert last["lineno"] > 0
    assert event["message"] == "database-lost"


def test_nothing_planted_and_nothing_of_the_machine_arrives() -> None:
    import getpass  # noqa: PLC0415 - here alone
    import socket  # noqa: PLC0415

    with serving() as heard:
        start_tracking(dsn(heard))
        for number, value in enumerate(PLANTED):  # fewer than its queue holds
            event = f"failed {value}"
            log.error(event, code=f"c-{number}", reason=value, facility=value, exc_info=fail(value))
            log.critical("failed", code=f"d-{number}", phone=value)
        assert len(sent(heard)) == 2 * len(PLANTED)
        told = "\n".join(heard.bodies + heard.headers)
    assert [value for value in PLANTED if value in told] == []
    for word in (
        "held_in_a_local",
        '"vars"',
        "pre_context",
        "breadcrumbs",
        '"request"',
        '"user"',
        "server_name",
        "argv",
    ):
        assert word not in told
    assert socket.gethostname() not in told
    assert f'"{getpass.getuser()}"' not in told


def test_warnings_and_what_others_capture_are_not_sent() -> None:
    with serving() as heard:
        start_tracking(dsn(heard))
        log.warning("retry scheduled", code="retry")
        log.info("step done")
        assert _Reporting.tracker is not None
        _Reporting.tracker.capture_event({"message": NAME, "level": "error"})
        assert sent(heard) == []
    assert keep_ours({"message": NAME}, {}) is None


def test_one_fault_a_thousand_times_is_told_once() -> None:
    with serving() as heard:
        start_tracking(dsn(heard))
        for number in range(1000):
            log.error("facility refused", code="facility-refused", facility=number)
        assert len(sent(heard)) == 1


def test_a_tracker_that_hangs_or_is_away_delays_nobody(lines: io.StringIO) -> None:
    with serving(never) as heard:
        for address in (dsn(heard), f"http://{'a' * 32}@127.0.0.1:{free_port()}/1"):
            start_tracking(address)
            began = time.perf_counter()
            for number in range(300):  # more than its queue holds
                log.error("failed", code=f"c-{number}")
            assert time.perf_counter() - began < 2
    assert len(lines.getvalue().splitlines()) == 600


def test_a_dsn_that_is_none_is_refused_without_a_quote() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        start_tracking(f"https://tracker.example.or.ke/{PASSWORD}")
    assert PASSWORD not in str(refused.value)


ENDS_AT_ONCE = """
import sys, django
django.setup()
import structlog
structlog.get_logger("t").error("failed", code="database-lost")
"""
IS_NOT_INSTALLED = """
import sys
sys.modules["sentry_sdk"] = None
from core.command_line import run
sys.exit(run(["manage.py", "check"]))
"""


def python(code: str, address: str) -> subprocess.CompletedProcess[str]:
    environment = {"DJANGO_SETTINGS_MODULE": "core.settings.test", "SENTRY_DSN": address, "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def test_a_process_that_ends_sends_what_waits_and_one_that_cannot_ends_all_the_same() -> None:
    with serving() as heard:
        assert python(ENDS_AT_ONCE, dsn(heard)).returncode == 0
        assert "database-lost" in "".join(heard.bodies)
    with serving(never) as heard:
        began = time.perf_counter()
        assert python(ENDS_AT_ONCE, dsn(heard)).returncode == 0
        assert time.perf_counter() - began < 8


def test_a_dsn_without_the_package_is_refused_in_one_line() -> None:
    done = python(IS_NOT_INSTALLED, "http://a@127.0.0.1:1/1")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "SENTRY_DSN is set, but sentry-sdk is not installed: install requirements-sentry.txt, or take SENTRY_DSN away."
    ]
