"""Errors to a tracker that speaks Sentry's protocol: what the log line says of a fault and nothing else, or nothing at all.

The client of sentry-sdk stands alone here: it is not installed globally, so that no integration of it hooks into anything,
and nothing but report_fault() reaches it. SENTRY_DSN turns it on.
"""

import atexit
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from django.core.exceptions import ImproperlyConfigured
from structlog.typing import EventDict, WrappedLogger

PAUSE = 60.0  # seconds in which one fault is told once: a run that refuses a thousand facilities is one fault
MOST_KNOWN = 1000  # fingerprints
LAST_WORDS = 2.0  # seconds that the end of a process waits for what is still to be sent
TAGS = ("code", "run", "source", "step", "sqlstate", "status")
# of its own failures a tracker is not told, nor of requests that were refused as they should be
_NOT_TOLD = ("sentry_sdk", "urllib3", "django.security")
_NOT_INSTALLED = (
    "SENTRY_DSN is set, but sentry-sdk is not installed: install requirements-sentry.txt, or take SENTRY_DSN away."
)
_UNREADABLE = "SENTRY_DSN cannot be read: copy it from the tracker anew, or take it away."


class Tracker(Protocol):
    """What sends events: the client of sentry-sdk."""

    def capture_event(self, event: Any) -> str | None: ...

    def flush(self, timeout: float | None = None) -> None: ...


class _Reporting:
    """Who is told of faults in this process, and when each was told of last."""

    tracker: Tracker | None = None
    told_at: dict[str, float] = {}


def start_tracking(dsn: str) -> None:
    """Let faults be reported from now on; an empty DSN turns that off. Raises ImproperlyConfigured, which quotes no DSN."""
    _Reporting.told_at = {}
    _Reporting.tracker = None
    if not dsn:
        return
    try:
        from sentry_sdk import Client  # noqa: PLC0415 - optional: requirements-sentry.txt
    except ImportError:
        raise ImproperlyConfigured(_NOT_INSTALLED) from None
    try:
        tracker: Tracker = Client(
            dsn=dsn,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            server_name="",  # the machine's name else
            release="gvrc-admin",  # the revision that git tells else, by a process of its own
            project_root="",
            before_send=keep_ours,
        )
    except ValueError:  # BadDsn is one
        raise ImproperlyConfigured(_UNREADABLE) from None
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a tracker that is away is not worth a line for each attempt
    _Reporting.tracker = tracker
    atexit.register(_say_last_words, tracker)


def report_fault(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return a log event as it is; a fault among them is handed to the tracker, which sends it from a thread of its own.

    It stands behind the log's scrubber, and never fails: a log line is worth more than a report of it.
    """
    if _Reporting.tracker is not None and "fingerprint" in event:
        with suppress(Exception):
            if _is_due(str(event["fingerprint"])) and not str(event.get("logger", "")).startswith(_NOT_TOLD):
                _Reporting.tracker.capture_event(as_report(event))
    return event


def as_report(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a tracker is told of a log event: code, fingerprint, types and places; no text, no address, no value."""
    errors = [_without_text(error) for error in reversed(event.get("exception") or [])]  # the last one counts, there
    return {
        "level": "fatal" if event["level"] == "critical" else "error",
        "logger": event.get("logger", ""),
        "message": event["code"],
        "fingerprint": [event["fingerprint"]],
        "tags": {name: str(event[name]) for name in TAGS if event.get(name) is not None}
        | {"fingerprint": event["fingerprint"]},
        **({"exception": {"values": errors}} if errors else {}),
    }


def _without_text(error: Mapping[str, Any]) -> dict[str, Any]:
    frames = [
        {"filename": frame["file"], "function": frame["function"], "lineno": frame["line"]} for frame in error["frames"]
    ]
    return {"type": error["type"], "value": error.get("sqlstate", ""), "stacktrace": {"frames": frames}}


_KEPT = (
    "event_id",
    "timestamp",
    "platform",
    "sdk",
    "release",
    "level",
    "logger",
    "message",
    "fingerprint",
    "tags",
    "exception",
)


def keep_ours(event: Any, _: Any) -> Any:
    """Return an event with what as_report() puts into it; None of one that comes from elsewhere."""
    if not event.get("fingerprint") or "code" not in event.get("tags", {}):
        return None
    return {name: event[name] for name in _KEPT if name in event}


def _is_due(fingerprint: str) -> bool:
    now = time.monotonic()
    if now - _Reporting.told_at.get(fingerprint, -PAUSE) < PAUSE:
        return False
    if len(_Reporting.told_at) >= MOST_KNOWN:
        _Reporting.told_at.clear()
    _Reporting.told_at[fingerprint] = now
    return True


def _say_last_words(tracker: Tracker) -> None:
    with suppress(Exception):
        tracker.flush(timeout=LAST_WORDS)
