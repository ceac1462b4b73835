"""What a log line shows: what somebody decided that it may, and never a phone number, an e-mail address or a value."""

import ast
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from django.db import IntegrityError
from django.utils.log import ServerFormatter

from core.crypto import Decrypted
from core.logs import KEYS, describe, handler_for
from core.masking import mask
from etl.errors import EtlError
from tests.known_contacts import CANARIES, EMAILS, PHONES, leaks

ROOT = Path(__file__).parents[2]
log = structlog.get_logger("tests")
METHODS = {"debug", "info", "warning", "error", "critical", "exception", "bind", "bind_contextvars"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as off a terminal."""
    yield from capture(io.StringIO())


@pytest.fixture
def screen() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as on a terminal."""
    yield from capture(Terminal())


def capture(stream: io.StringIO) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handler, before = handler_for(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def only(lines: io.StringIO) -> dict[str, Any]:
    """Return the one event that was logged."""
    (line,) = lines.getvalue().splitlines()
    event: dict[str, Any] = json.loads(line)
    return event


def raised(error: BaseException, *, cause: BaseException | None = None) -> BaseException:
    """Return an error as it is where it is caught."""
    try:
        raise error from cause  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001 - whatever was asked for
        return caught


# which keys


def test_every_key_of_every_log_call_is_allowed() -> None:
    used = {}
    for folder in ("core", "geography", "facilities", "etl"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
                    owner = ast.unparse(call.func.value)
                    if owner in {"log", "logger", "structlog.contextvars"}:
                        assert None not in {word.arg for word in call.keywords}, f"{path}:{call.lineno} hides its keys"
                        used |= {word.arg: f"{path}:{call.lineno}" for word in call.keywords}
    assert {"run", "source", "sqlstate", "seconds"} <= set(used)
    assert {key: place for key, place in used.items() if key not in KEYS | {"exc_info"}} == {}


def test_an_unknown_key_is_dropped_and_its_name_noted(lines: io.StringIO) -> None:
    log.info("loaded", size=3, phone="anything", record={"a": 1})
    event = only(lines)
    assert event["size"] == 3
    assert event["dropped"] == ["phone", "record"]
    assert {"phone", "record"}.isdisjoint(event)


def test_what_was_bound_is_shown_and_dropped_alike(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(run=7, facility_name="Amani"):
        log.info("loaded")
    assert (only(lines)["run"], only(lines)["dropped"]) == (7, ["facility_name"])


# which values


def test_plain_values_pass_as_they_are(lines: io.StringIO) -> None:
    log.info("step done", step="pass 1", seconds=0.25, records=41, status=None, reason=["a", {"b": True}])
    event = only(lines)
    assert (event["step"], event["seconds"], event["records"], event["status"]) == ("pass 1", 0.25, 41, None)
    assert event["reason"] == ["a", {"b": True}]
    assert (event["level"], event["logger"]) == ("info", "tests")


def test_a_value_of_no_plain_kind_shows_its_kind_only(lines: io.StringIO) -> None:
    class Facility:
        def __str__(self) -> str:
            return "Amani Safe House"

    log.info("loaded", facility=Facility(), reason=ValueError("Amani Safe House"), code=b"Amani Safe House")
    assert "Amani" not in lines.getvalue()
    assert "Facility>" in only(lines)["facility"]
    assert only(lines)["reason"] == "<ValueError>"


def test_an_opened_sealed_value_is_not_shown(lines: io.StringIO) -> None:
    log.info("loaded", reason=Decrypted("behind the old mill", "token", "facilities.address"))
    assert only(lines)["reason"] == "***"


def test_a_structure_without_end_does_not_end_the_line(lines: io.StringIO) -> None:
    endless: list[Any] = []
    endless.append(endless)
    log.info("loaded", reason=endless)
    assert "..." in json.dumps(only(lines)["reason"])


def test_a_line_that_cannot_be_written_is_told_of_without_its_values(lines: io.StringIO) -> None:
    class Hostile(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError(PHONES[0])

    log.info("loaded", reason=Hostile(a=1))
    assert (only(lines)["event"], only(lines)["reason"]) == ("log line lost", "RuntimeError")


# errors


def test_of_an_error_its_type_and_its_places_are_shown_and_not_its_text(lines: io.StringIO) -> None:
    try:
        raise raised(ValueError("Amani"), cause=KeyError("Baraka"))
    except ValueError:
        log.exception("unexpected error", code="unexpected")
    told = only(lines)["exception"]
    assert [error["type"] for error in told] == ["ValueError", "KeyError"]
    assert set(told[0]) == {"type", "frames"}
    assert set(told[0]["frames"][-1]) == {"file", "line", "function"}
    assert told[0]["frames"][-1]["file"] == "tests/unit/test_logs.py"
    assert "Amani" not in lines.getvalue()
    assert "Baraka" not in lines.getvalue()


def test_an_error_made_for_people_is_shown_with_its_text(lines: io.StringIO) -> None:
    log.error("run failed", exc_info=raised(EtlError("regional.json is missing; put it there"), cause=OSError("x")))
    told = only(lines)["exception"]
    assert told[0]["text"] == "regional.json is missing; put it there"
    assert "text" not in told[1]


def test_of_a_database_error_the_sqlstate_is_shown(lines: io.StringIO) -> None:
    refused = psycopg.errors.UniqueViolation(f"DETAIL: Key (contact_value)=({PHONES[0]}) already exists.")
    log.error("refused", exc_info=raised(IntegrityError(PHONES[0]), cause=raised(refused)))
    told = only(lines)["exception"]
    assert [(error["type"], error["sqlstate"]) for error in told] == [
        ("django.db.utils.IntegrityError", "23505"),
        ("psycopg.errors.UniqueViolation", "23505"),
    ]
    assert leaks(lines.getvalue()) == []


def test_the_errors_of_a_group_are_shown_each() -> None:
    group = raised(ExceptionGroup("Amani", [ValueError("a"), raised(KeyError("b"), cause=OSError("c"))]))
    assert [told["type"] for told in describe(group)] == ["ExceptionGroup", "ValueError", "KeyError", "OSError"]


def test_errors_that_lead_to_one_another_end() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert [told["type"] for told in describe(first)] == ["ValueError", "KeyError"]


def test_what_was_raised_from_none_stays_alone() -> None:
    error = ValueError()
    error.__context__, error.__suppress_context__ = KeyError(), True
    assert [told["type"] for told in describe(error)] == ["ValueError"]


# others' loggers


def test_a_librarys_message_is_shown_without_its_arguments(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("could not send %s to %r", "Amani", {"b": "Baraka"})
    assert only(lines)["event"] == "could not send %s to %r"


def test_an_error_as_a_message_shows_its_type(lines: io.StringIO) -> None:
    logging.getLogger("some.library").error(ValueError("Amani"))
    assert only(lines)["event"] == "<ValueError>"


def test_what_django_says_of_a_request_is_shown_scrubbed(lines: io.StringIO) -> None:
    logging.getLogger("django.request").warning("%s: %s", "Not Found", f"/admin/{EMAILS[0]}/")
    assert only(lines)["event"] == f"Not Found: /admin/{mask(EMAILS[0])}/"


def test_a_visitor_cannot_fill_the_log_with_one_line(lines: io.StringIO) -> None:
    logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header: %r.", "x" * 100_000)
    assert len(lines.getvalue()) < 3000


def test_djangos_own_server_shows_no_query() -> None:
    server = logging.getLogger("django.server")
    (handler,) = (found for found in server.handlers if isinstance(found.formatter, ServerFormatter))
    stream = io.StringIO()
    before = handler.setStream(stream)
    server.info('"%s" %s %s', f"GET /admin/?q={EMAILS[1]} HTTP/1.1", "200", "1234")
    handler.setStream(before)
    assert '"GET /admin/?... HTTP/1.1" 200 1234' in stream.getvalue()


# canaries

Way = Callable[[str], None]


def allowed_key(value: str) -> None:
    log.info("loaded", reason=value)


def event_text(value: str) -> None:
    log.info(f"loaded {value}")  # noqa: G004


def unknown_key(value: str) -> None:
    log.info("loaded", contact=value)


def key_itself(value: str) -> None:
    log.info("loaded", **{value: 1})


def nested(value: str) -> None:
    log.info("loaded", reason={"contacts": [{"value": (value, {value})}], value: 1})


def number(value: str) -> None:
    log.info("loaded", size=int("".join(filter(str.isdigit, value.partition(",")[0]))))


def arguments(value: str) -> None:
    log.info("loaded %s", value)


def error_text(value: str) -> None:
    log.error("failed", exc_info=raised(ValueError(value)))


def error_for_people(value: str) -> None:
    log.error("failed", exc_info=raised(EtlError(f"cannot go on with {value}")))


def error_as_value(value: str) -> None:
    log.error("failed", reason=ValueError(value))


def error_cause(value: str) -> None:
    log.error("failed", exc_info=raised(EtlError("no"), cause=raised(ValueError(value), cause=KeyError(value))))


def error_note(value: str) -> None:
    error = ValueError("x")
    error.add_note(value)
    log.error("failed", exc_info=raised(error))


def local_variable(value: str) -> None:
    seen = value
    try:
        raise ValueError  # noqa: TRY301
    except ValueError:
        log.exception("failed", code=str(len(seen)))


def database_refusal(value: str) -> None:
    refused = psycopg.errors.UniqueViolation(f"duplicate\nDETAIL:  Key (contact_value)=({value}) already exists.")
    log.error("failed", exc_info=raised(IntegrityError(str(refused)), cause=raised(refused)), reason=str(refused))


def library_argument(value: str) -> None:
    logging.getLogger("some.library").warning("sending %s", value)


def library_template(value: str) -> None:
    logging.getLogger("some.library").warning(f"sending {value}")  # noqa: G004


def library_error(value: str) -> None:
    logging.getLogger("some.library").error(value, exc_info=raised(ValueError(value)))


def library_extra(value: str) -> None:
    logging.getLogger("some.library").warning("sending", extra={"contact": value})


def library_stack(value: str) -> None:
    logging.getLogger("some.library").warning("sending", stack_info=len(value) > 1)


def request(value: str) -> None:
    logging.getLogger("django.request").warning("Not Found: %s", f"/admin/{value}/")


WAYS = (
    allowed_key, event_text, unknown_key, key_itself, nested, number, arguments, error_text, error_for_people, error_as_value,
    error_cause, error_note, local_variable, database_refusal, library_argument, library_template, library_error,
    library_extra, library_stack, request,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_thousand_canaries_stay_out_of_the_log(way: Way, lines: io.StringIO) -> None:
    for canary in CANARIES:
        way(canary)
    assert len(lines.getvalue().splitlines()) == len(CANARIES)
    assert "log line lost" not in lines.getvalue()
    assert leaks(lines.getvalue()) == []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_terminal_shows_no_more(way: Way, screen: io.StringIO) -> None:
    for canary in CANARIES[:100]:
        way(canary)
    assert len(screen.getvalue().splitlines()) >= 100
    assert "log line lost" not in screen.getvalue()
    assert leaks(screen.getvalue()) == []


def test_the_lookout_sees_every_canary_in_every_spelling() -> None:
    for phone, email in zip(PHONES, EMAILS, strict=True):
        assert leaks(f"x{phone}y") != []
        assert leaks(json.dumps({"a": [f"<{phone}>"]})) != []
        assert leaks(email.upper()) == [email]
    assert leaks(" ".join(map(mask, CANARIES))) == []
