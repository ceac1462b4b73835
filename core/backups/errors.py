"""What keeps a backup, its verification or a restore from being done."""

from django.core.management import CommandError

from core.errors import ExitCode, ExplainedError


class BackupError(ExplainedError, CommandError):
    """A backup, a verification or a restore cannot be done; the message is one line with the way out.

    `returncode` is what the command ends with.
    """

    code = "backup-failed"

    def __init__(self, message: str, *, returncode: int = ExitCode.FAILURE) -> None:
        CommandError.__init__(self, message, returncode=returncode)
