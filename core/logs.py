"""One structlog configuration for everything that logs: JSON lines on stderr, a readable line each on a terminal.

A line says only what is in KEYS. Of an error it shows type, place and SQLSTATE, of another library's message the template
without its arguments. The scrubber stands last before the line is written: whatever came so far, no phone number, e-mail
address or database value gets past it.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.crypto import Decrypted
from core.database_errors import sqlstate_of
from core.error_tracking import report_fault
from core.errors import ExplainedError
from core.faults import name_fault
from core.masking import mask_contacts

# What a log line may say. Another key is dropped, and its name noted: what nobody thought about might hold anything.
KEYS = frozenset(
    {
        *("event", "level", "timestamp", "logger", "exception"),
        *("run", "source", "worker", "batch", "step", "attempt", "seconds", "status"),  # where in the work
        *("facility", "facility_code"),
        *("size", "records", "expected"),  # counts
        *("code", "reason", "remedy", "sqlstate", "fingerprint"),  # what went wrong
    }
)
# Django's words about a request: its method and path, or why it was refused
SHOWN_WHOLE = ("django.request", "django.security")
MOST_ERRORS, MOST_FRAMES, DEEPEST = 10, 20, 6
LONGEST_NUMBER = 10**8  # from here on a number may be a phone number without its zero
LONGEST_TEXT = 2000  # characters: a visitor chooses the Host that Django complains of

_HOME = Path(__file__).resolve().parent.parent
# PostgreSQL quotes the clashing value in its DETAIL line: `Key (value_index)=(...) already exists.`
_POSTGRES_VALUES = re.compile(
    r"(Key \([^)]*\)=)\(.*?\)(?= )|(Failing row contains )\(.*\)|(CONTEXT:|DETAIL:) .*", re.DOTALL
)


def configure(options: Mapping[str, Any]) -> None:
    """Set up structlog and the standard library's logging; Django calls this with settings.LOGGING."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [handler_for(sys.stderr)]
    root.setLevel(options["level"])
    logging.raiseExceptions = False  # for the handlers of others: see _LineHandler
    # Django's defaults print and mail tracebacks as they are: what they say goes through the scrubber, too
    logging.getLogger("django").handlers = []
    # Django's own server prints its requests; at INFO they would drown the import's events.
    server = logging.getLogger("django.server")
    server.propagate = False
    for handler in server.handlers:
        handler.addFilter(_mask_request_line)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class _LineHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Say that a line was lost; the standard library would print its record as it is, with all arguments."""
        lost = {
            "event": "log line lost",
            "level": "error",
            "logger": record.name,
            "reason": type(sys.exception()).__name__,
        }
        with suppress(Exception):  # nobody reads the stream any more
            self.stream.write(f"{json.dumps(lost)}\n")


def handler_for(stream: TextIO) -> logging.Handler:
    """Return the handler that writes to a stream: JSON lines, on a terminal something to read."""
    handler = _LineHandler(stream)
    chain = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, keep_known, scrub, report_fault]
    renderer: Processor = structlog.processors.JSONRenderer()
    if stream.isatty():
        chain.append(_write_exception_out)
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.contextvars.merge_contextvars, show_template, *_SHARED],
            processors=[*chain, renderer],
            use_get_message=False,
            pass_foreign_args=True,
        ),
    )
    return handler


def show_template(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event of a foreign record with its message as the library wrote it, the arguments left out."""
    record: logging.LogRecord = event["_record"]
    arguments = event.pop("positional_args")
    message = record.msg  # may be an error, of which scrub() shows the type
    is_shown = any(record.name == name or record.name.startswith(f"{name}.") for name in SHOWN_WHOLE)
    if is_shown and arguments and isinstance(message, str):
        with suppress(TypeError, ValueError, KeyError):  # a template that its arguments do not fit
            message %= arguments
    event["event"] = message
    return event


def describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event with `exception` in place of exc_info: the error and those that led to it."""
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    error = given if isinstance(given, BaseException) or not given else sys.exception()
    if error:
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> list[dict[str, Any]]:
    """Return an error and what led to it, the last one first: type, SQLSTATE, where it was raised; text only of our own."""
    described: list[dict[str, Any]] = []
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting and len(described) < MOST_ERRORS:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        described.append(_describe_one(current))
        led_to_it = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        waiting += [led_to_it] if led_to_it else []
        waiting += current.exceptions if isinstance(current, BaseExceptionGroup) else ()
    return described


def _describe_one(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"type": _type_name(error)}
    if state := sqlstate_of(error):
        told["sqlstate"] = state
    if isinstance(error, ExplainedError):
        told |= {"text": str(error), "code": error.code}
    return told | {"frames": _frames(error.__traceback__)}


def _frames(traceback: TracebackType | None) -> list[dict[str, Any]]:
    """Return the places that an error came through, the innermost last; no variable, no line of code."""
    frames = []
    while traceback:
        code = traceback.tb_frame.f_code
        frames.append({"file": _short(code.co_filename), "line": traceback.tb_lineno, "function": code.co_qualname})
        traceback = traceback.tb_next
    return frames[-MOST_FRAMES:]


def _short(file: str) -> str:
    """Return a file's name within the project or within the packages."""
    _, found, inside = file.rpartition("site-packages/")
    return inside if found else file.removeprefix(f"{_HOME}/")


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def keep_known(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event with what a line may say; `dropped` names what it may not."""
    kept = {key: value for key, value in event.items() if key in KEYS}
    unknown = sorted(str(key) for key in event if key not in KEYS)
    return kept | {"dropped": unknown} if unknown else kept


def scrub(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event with phone numbers, e-mail addresses and quoted database values masked, at any depth."""
    return {key: value if key == "timestamp" else _scrubbed(value) for key, value in event.items()}


def _scrubbed(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one return for each kind of value
    if depth > DEEPEST:
        return "..."
    if isinstance(value, Decrypted):
        return "***"
    if isinstance(value, str):
        masked = mask_contacts(_POSTGRES_VALUES.sub(lambda hit: f"{hit[1] or hit[2] or hit[3]}(masked)", value))
        return masked if len(masked) <= LONGEST_TEXT else f"{masked[:LONGEST_TEXT]}..."
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < LONGEST_NUMBER else _scrubbed(str(value))
    if isinstance(value, Mapping):
        return {_scrubbed(str(key)): _scrubbed(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(inner, depth + 1) for inner in value]
    if isinstance(value, Path | Decimal | date | time | UUID):
        return _scrubbed(str(value))
    return f"<{_type_name(value) if isinstance(value, BaseException) else type(value).__qualname__}>"


def _write_exception_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event with its exception as lines of text, as a terminal shows it."""
    if "exception" in event:
        event["exception"] = "\n".join(line for told in event["exception"] for line in _lines(told))
    return event


def _lines(told: Mapping[str, Any]) -> list[str]:
    state = f", SQLSTATE {told['sqlstate']}" if "sqlstate" in told else ""
    text = f": {told['text']}" if "text" in told else ""
    frames = (f"  {frame['file']}:{frame['line']} in {frame['function']}" for frame in told["frames"])
    return [f"{told['type']}{state}{text}", *frames]


def _mask_request_line(record: logging.LogRecord) -> bool:
    """Return True: the record is shown, without what was asked for in its address."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    record.args = tuple(
        mask_contacts(re.sub(r"\?\S*", "?...", part)) if isinstance(part, str) else part for part in arguments
    )
    return True


# what every event gets, ours and foreign ones
_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    describe_exception,
    name_fault,
]
