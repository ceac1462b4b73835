"""What our own errors have in common, and what commands end with."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with: cron jobs and monitoring read it."""

    SUCCESS = 0
    FAILURE = 1
    WRONG_USAGE = 2
    LOCK_HELD = 3
    BEYOND_GATE = 4
    INTERRUPTED = 5


class ExplainedError(Exception):
    """An error whose text is made for a person: one line that says what to do, every value in it masked.

    Logs show the text of these only; of any other error they show its type and where it was raised. `code` is stable:
    docs/error-codes.md lists every one.
    """

    code = "explained-error"
