"""ETL_PING_URL is told that an import begins and how it ended, so that somebody hears of one that never ran.

The convention is that of https://healthchecks.io/docs/http_api/: URL/start, then URL/<exit code>. The URL is a secret.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import structlog

log = structlog.get_logger(__name__)
PATIENCE = 5.0  # seconds for one attempt
MOST_DELAY = 10.0  # seconds for all attempts of an import
SHORTEST = 0.5  # seconds: less is no attempt
FAILED = 1  # what is told of an end that is no exit code


def pinged(work: Callable[[], int], *, url: str) -> int:
    """Return the exit code of the work, with the URL told before and after; "" tells nobody. Nothing of that fails the work."""
    if not url:
        return work()
    left = _ping(url, "start", left=MOST_DELAY, attempts=1)  # the end is worth more: it keeps a second attempt
    code = FAILED
    try:
        code = int(work())
    finally:
        with suppress(KeyboardInterrupt):  # who is in a hurry: the work is done
            _ping(url, str(code), left=left, attempts=2)
    return code


def _ping(url: str, what: str, *, left: float, attempts: int) -> float:
    """Return how many seconds of the delay are left; what kept the URL from being told is one line of the log, without it."""
    reason = ""
    for _ in range(attempts):
        if left < SHORTEST:
            break
        began = time.monotonic()
        reason = _send(address_of(url, what), seconds=min(PATIENCE, left))
        left -= time.monotonic() - began
        if not reason:
            return left
    log.warning("ping failed", code="ping-failed", step=what, reason=reason)
    return left


def address_of(url: str, what: str) -> str:
    """Return the URL with a word at the end of its path, before its query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{what}", fragment=""))


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: whoever answers could send the secret, and us, anywhere."""


def _send(address: str, *, seconds: float) -> str:
    """Return why an address was not told, "" where it was. The time holds for all of it: name, connection, each byte."""
    found: list[str] = []

    def send() -> None:
        found.append(_try(address, seconds))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else "no answer in time"


def _try(address: str, seconds: float) -> str:
    request = Request(address, headers={"User-Agent": "gvrc-admin"})  # noqa: S310 # nosec B310 # http(s): core/environment.py
    try:
        with build_opener(_NoRedirects).open(request, timeout=seconds):
            return ""
    except HTTPError as error:
        error.close()
        return f"status {error.code}"
    except URLError as error:
        return type(error.reason).__name__
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address that http.client takes for none
        return type(error).__name__
