"""The last net of the command line: what stops a command before it can say why itself ends as one line."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.core.management.base import CommandParser
from django.db import DatabaseError, InterfaceError

from core.crypto import check_key_settings
from core.database_errors import is_away, kind_of
from core.embedded_postgres import EmbeddedPostgresError
from core.errors import ExitCode
from core.logs import describe

log = structlog.get_logger(__name__)
READER_LEFT = "whoever read the output went away before its end; what the command did stands"
# settings and databases that keep anything from working
STOPPING = (ImproperlyConfigured, EmbeddedPostgresError, DatabaseError, InterfaceError)


def run(arguments: Sequence[str]) -> int:
    """Return the exit status of a management command.

    It is 1 where settings or the database keep it from working, 5 where the database is away or a person broke it off.
    Raises SystemExit where the command ended itself, or where what it said cannot be written.
    """
    _prepare_streams()
    try:
        return _run(arguments)
    finally:
        _finish_stdout()


def _prepare_streams() -> None:
    """Let no command fail at its end for what stdout is.

    A process that was started with closed streams (`>&-`) gets some that lead nowhere: Python has None for them. A letter
    that the stream's encoding lacks is written as an escape.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _finish_stdout() -> None:
    """Write what is left of stdout; raises SystemExit where it cannot be. That a reader went away (`| head`) is no error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        if isinstance(error, BrokenPipeError):
            return
        print(f"stdout cannot be written: {error.strerror}; what it holds is not whole", file=sys.stderr)
        sys.exit(1)


def _run(arguments: Sequence[str]) -> int:
    status = ExitCode.FAILURE
    try:
        if "runserver" in arguments[1:2]:
            check_key_settings()  # its reloader takes what an app's start raises for broken code, and waits for a change
        execute_from_command_line(list(arguments))
    except STOPPING as error:
        print(in_one_line(error), file=sys.stderr)
        status = ExitCode.INTERRUPTED if is_away(error) else status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = ExitCode.INTERRUPTED
    except BrokenPipeError:
        print(READER_LEFT, file=sys.stderr)
    except Exception as error:  # its text may quote values
        if "--traceback" in arguments:
            raise
        if structlog.is_configured():
            log.exception("unexpected error", code="unexpected")
        print(f"an error that nobody expected ({_place_of(error)}); --traceback shows all of it", file=sys.stderr)
    else:
        status = ExitCode.SUCCESS
    return status


def in_one_line(error: BaseException) -> str:
    """Return what a person is told of an error in STOPPING: never the text of PostgreSQL, which may quote values."""
    if isinstance(error, DatabaseError | InterfaceError):
        return f"the database failed ({kind_of(error)}); is it running, and are all migrations applied?"
    return next(iter(str(error).splitlines()), type(error).__name__)


def _place_of(error: Exception) -> str:
    told = describe(error)[0]
    innermost = told["frames"][-1]
    return f"{told['type']}, {innermost['file']}:{innermost['line']}"


def positive(text: str) -> int:
    """Return an option's value that counts something, 1 or more; raises ArgumentTypeError."""
    if text.isdecimal() and 0 < int(text[:9]) == int(text):
        return int(text)
    message = "must be a whole number from 1 to 999999999"
    raise argparse.ArgumentTypeError(message)


def take_options_anywhere(parser: CommandParser) -> None:
    """Let options stand between the names of a command, too: `duplicates show --json 17`."""
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign] # of this one parser
