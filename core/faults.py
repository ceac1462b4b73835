"""What a fault is called: a code that the docs explain, and a fingerprint that tells one fault from another."""

import hashlib
from collections.abc import Mapping
from typing import Any

from structlog.typing import EventDict, WrappedLogger

FAULTS = ("error", "critical")  # the levels of what has a code and a fingerprint
UNEXPECTED = "unexpected"  # the code of what nobody foresaw
# of Django's own: a page that ended in an error, and a request that was refused as it should be
CODES_OF_LOGGERS = {"django.request": "page-failed", "django.security": "request-refused"}
OUR_FOLDERS = ("core/", "geography/", "facilities/", "etl/")
# a fingerprint has no digit: the log's scrubber takes seven in a row for a phone number, which one of ten fingerprints had
_AS_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
FRAMES_THAT_TELL = 3  # the innermost of ours: those that lead there differ between a page and a command


def name_fault(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event of a fault with its code, the error's own where the caller gave none, and its fingerprint."""
    if event.get("level") not in FAULTS:
        return event
    told = (event.get("exception") or [{}])[0]
    logger = str(event.get("logger", ""))
    event["code"] = event.get("code") or told.get("code") or _code_of_logger(logger)
    event["fingerprint"] = fingerprint_of(str(event["code"]), told, logger=logger)
    return event


def _code_of_logger(logger: str) -> str:
    found = (code for name, code in CODES_OF_LOGGERS.items() if logger == name or logger.startswith(f"{name}."))
    return next(found, UNEXPECTED)


def fingerprint_of(code: str, told: Mapping[str, Any], *, logger: str) -> str:
    """Return 12 letters, the same for the same fault on every machine: of its code, type and places, and of no value.

    No line number counts: an edit above a fault does not make another one of it.
    """
    frames = told.get("frames", ())
    ours = [frame for frame in frames if frame["file"].startswith(OUR_FOLDERS)]
    # a fault wholly inside a package is known by its places there; the standard library lies elsewhere on each machine
    known = ours or [frame for frame in frames if not frame["file"].startswith(("/", "<"))]
    places = [f"{frame['file']}:{frame['function']}" for frame in known[-FRAMES_THAT_TELL:]]
    text = "\n".join([code, told.get("type", ""), *(places or [logger])])
    return hashlib.sha256(text.encode()).hexdigest()[:12].translate(_AS_LETTERS)
