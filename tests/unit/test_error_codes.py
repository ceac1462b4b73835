"""Every warning and error has a code that stands in docs/error-codes.md, and every error a fingerprint that holds no value."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog

from core.faults import CODES_OF_LOGGERS, UNEXPECTED, fingerprint_of
from core.masking import mask_contacts
from etl.errors import EtlError, LockHeldError
from tests.unit.test_logs import capture, only, raised

ROOT = Path(__file__).parents[2]
LOUD = {f"{owner}.{name}" for owner in ("log", "logger") for name in ("warning", "error", "critical", "exception")}
log = structlog.get_logger("tests")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    yield from capture(io.StringIO())


@cache
def sources() -> list[tuple[Path, ast.Module]]:
    paths = (path for folder in ("core", "geography", "facilities", "etl") for path in (ROOT / folder).rglob("*.py"))
    return [(path, ast.parse(path.read_text())) for path in paths]


def loud_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that logs a warning or worse, with its place."""
    for path, tree in sources():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in LOUD:
                yield f"{path.relative_to(ROOT)}:{call.lineno}", call


def code_of(call: ast.Call) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == "code"), None)


def codes_in_source() -> set[str]:
    logged = {code.value for _, call in loud_calls() if isinstance(code := code_of(call), ast.Constant)}
    of_errors = {
        line.value.value
        for _, tree in sources()
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef) and kind.name.endswith("Error")
        for line in kind.body
        if isinstance(line, ast.Assign)
        and ast.unparse(line.targets[0]) == "code"
        and isinstance(line.value, ast.Constant)
    }
    return logged | of_errors | {*CODES_OF_LOGGERS.values(), UNEXPECTED}


def test_every_warning_and_error_is_logged_with_a_literal_code() -> None:
    calls = dict(loud_calls())
    assert len(calls) > 15
    without = {
        place: ast.unparse(call)
        for place, call in calls.items()
        if not isinstance(code_of(call), ast.Constant) and ast.unparse(code_of(call) or call) != "error.code"
    }
    assert without == {}


def test_every_code_stands_in_the_docs_and_the_other_way_round() -> None:
    documented = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "error-codes.md").read_text(), re.MULTILINE)
    assert documented == sorted(set(documented))
    assert set(documented) == codes_in_source()


def test_the_code_of_the_caller_counts_then_the_errors_own_then_the_word_for_the_rest(lines: io.StringIO) -> None:
    log.error("failed", code="database-lost", exc_info=raised(LockHeldError("held")))
    log.error("failed", exc_info=raised(LockHeldError("held")))
    log.error("failed", exc_info=raised(ValueError("x")))
    log.critical("failed")
    codes = [json.loads(line)["code"] for line in lines.getvalue().splitlines()]
    assert codes == ["database-lost", "lock-held", "unexpected", "unexpected"]


def test_a_warning_has_no_fingerprint(lines: io.StringIO) -> None:
    log.warning("retry scheduled", code="retry")
    assert "fingerprint" not in only(lines)


def test_a_foreign_error_has_a_fingerprint_that_does_not_depend_on_its_address(lines: io.StringIO) -> None:
    for path in ("/admin/a/", "/admin/0722000111/"):
        logging.getLogger("django.request").error("Internal Server Error: %s", path, exc_info=raised(KeyError(path)))
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["fingerprint"] == second["fingerprint"]
    assert (first["code"], len(first["fingerprint"])) == ("page-failed", 12)


def test_a_refused_request_has_a_code_of_its_own(lines: io.StringIO) -> None:
    logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header: %r.", "x")
    logging.getLogger("django.securities").error("other")
    assert [json.loads(line)["code"] for line in lines.getvalue().splitlines()] == ["request-refused", "unexpected"]


def frame(file: str, function: str = "load", line: int = 1) -> dict[str, Any]:
    return {"file": file, "function": function, "line": line}


def told(*frames: dict[str, Any], kind: str = "ValueError") -> dict[str, Any]:
    return {"type": kind, "frames": list(frames)}


def test_the_same_fault_on_another_machine_has_the_same_fingerprint() -> None:
    here = told(
        frame("/usr/lib/python3.12/json/decoder.py"), frame("etl/load.py", line=3), frame("/usr/lib/python3.12/x.py")
    )
    there = told(frame("/opt/python/json/decoder.py"), frame("etl/load.py", line=30), frame("/opt/python/x.py"))
    assert fingerprint_of("a", here, logger="l") == fingerprint_of("a", there, logger="other")


def test_no_fingerprint_is_taken_for_a_phone_number() -> None:
    fingerprints = {fingerprint_of(f"fault-{number}", {}, logger="l") for number in range(2_000)}
    assert len(fingerprints) == 2_000
    assert {mask_contacts(fingerprint) for fingerprint in fingerprints} == fingerprints


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("b", told(frame("etl/load.py"))),
        ("a", told(frame("etl/load.py"), kind="KeyError")),
        ("a", told(frame("etl/load.py", "copy"))),
        ("a", told(frame("etl/batch.py"))),
        ("a", told(frame("django/db/models/query.py"))),
    ],
)
def test_another_fault_has_another_fingerprint(code: str, error: dict[str, Any]) -> None:
    assert fingerprint_of(code, error, logger="l") != fingerprint_of("a", told(frame("etl/load.py")), logger="l")


def test_the_way_to_a_fault_far_from_it_does_not_count() -> None:
    near = [frame("etl/batch.py", name) for name in ("a", "b", "c")]
    by_page, by_command = told(frame("etl/request_page.py"), *near), told(frame("etl/console.py"), *near)
    assert fingerprint_of("a", by_page, logger="l") == fingerprint_of("a", by_command, logger="l")


def test_a_fault_without_an_error_is_known_by_its_code_and_its_logger() -> None:
    assert fingerprint_of("a", {}, logger="x") != fingerprint_of("a", {}, logger="y")


def test_every_error_made_for_people_has_a_code_of_its_own_kind() -> None:
    kinds = [EtlError, *EtlError.__subclasses__()]
    assert len({kind.code for kind in kinds}) == len(kinds)
