"""ETL_PING_URL is told how an import went, and nothing that it does, or does not do, is felt by the import."""

import io
import json
import logging
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from etl import ping
from etl.ping import address_of, pinged
from tests.unit.test_logs import capture
from tests.web_server import Answer, drop_by_drop, free_port, never, serving, well, with_garbage, with_status

SECRET = "5d2c9a7e-secret"


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    yield from capture(io.StringIO())


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the patience."""
    monkeypatch.setattr(ping, "PATIENCE", 0.5)
    monkeypatch.setattr(ping, "MOST_DELAY", 1.0)
    monkeypatch.setattr(ping, "SHORTEST", 0.05)


def warnings(lines: io.StringIO) -> list[dict[str, object]]:
    return [event for line in lines.getvalue().splitlines() if (event := json.loads(line))["level"] == "warning"]


@pytest.mark.parametrize("code", [0, 1, 3, 4, 5])
def test_the_start_and_the_exit_code_are_told(code: int, lines: io.StringIO) -> None:
    with serving() as heard:
        assert pinged(lambda: code, url=f"{heard.url}/{SECRET}") == code
    assert heard.requests == [f"GET /{SECRET}/start", f"GET /{SECRET}/{code}"]
    assert heard.bodies == ["", ""]
    assert warnings(lines) == []


def test_work_that_ends_with_an_error_is_told_as_failed() -> None:
    def fail() -> int:
        raise KeyboardInterrupt

    with serving() as heard, pytest.raises(KeyboardInterrupt):
        pinged(fail, url=heard.url)
    assert heard.requests == ["GET /start", "GET /1"]


def test_no_address_tells_nobody() -> None:
    assert pinged(lambda: 4, url="") == 4


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("answer", [never, drop_by_drop, with_garbage, with_status(500), with_status(404)])
def test_a_bad_answer_is_one_line_each_that_shows_no_address(answer: Answer, lines: io.StringIO) -> None:
    with serving(answer) as heard:
        began = time.monotonic()
        assert pinged(lambda: 0, url=f"{heard.url}/{SECRET}") == 0
        assert time.monotonic() - began < 2
    told = warnings(lines)
    assert [event["code"] for event in told] == ["ping-failed", "ping-failed"]
    assert [event["step"] for event in told] == ["start", "0"]
    assert SECRET not in lines.getvalue()
    assert str(heard.port) not in lines.getvalue()


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/x", "http://no-such-host.invalid/x"])
def test_nobody_there_is_one_line_each(address: str, lines: io.StringIO) -> None:
    assert pinged(lambda: 0, url=address.format(port=free_port())) == 0
    assert len(warnings(lines)) == 2


def test_a_short_failure_of_the_end_is_tried_once_more(lines: io.StringIO) -> None:
    answers = [well, with_status(503), well]

    def take_turns(request: BaseHTTPRequestHandler) -> None:
        answers.pop(0)(request)

    with serving(take_turns) as heard:
        assert pinged(lambda: 0, url=heard.url) == 0
    assert heard.requests == ["GET /start", "GET /0", "GET /0"]
    assert warnings(lines) == []


def test_a_redirect_is_not_followed(lines: io.StringIO) -> None:
    with serving() as elsewhere, serving(with_status(302, Location=f"{elsewhere.url}/x")) as heard:
        assert pinged(lambda: 0, url=heard.url) == 0
    assert elsewhere.requests == []
    assert {event["reason"] for event in warnings(lines)} == {"status 302"}


def test_the_whole_delay_of_a_server_that_hangs_has_an_end() -> None:
    assert ping.MOST_DELAY <= 10
    assert 2 * ping.PATIENCE <= ping.MOST_DELAY


def test_the_word_stands_at_the_end_of_the_path() -> None:
    assert (
        address_of("https://hc.example.or.ke/ping/abc/?rid=1#x", "start")
        == "https://hc.example.or.ke/ping/abc/start?rid=1"
    )


def test_the_level_of_the_logs_does_not_matter() -> None:
    logging.getLogger().setLevel(logging.ERROR)
    with serving(with_status(500)) as heard:
        assert pinged(lambda: 0, url=heard.url) == 0
