"""What the commands about backups show and ask on a terminal, and how they end when they are interrupted."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.status import Status

from core.backups.errors import BackupError
from core.backups.making import Made
from core.backups.restore import Restored
from core.errors import ExitCode
from core.installation import MANAGE
from core.interruptions import interrupted_once


class Shown:
    """Progress on a terminal, where there is one: the step at hand."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def __call__(self, step: str) -> None:
        if self._status:
            self._status.update(step)
            self._status.start()

    def pause(self) -> None:
        """Show nothing until the next step."""
        if self._status:
            self._status.stop()


@contextmanager
def at_work(*, is_quiet: bool) -> Iterator[Shown]:
    """Give what shows progress; an interruption becomes a BackupError, exit code 5."""
    shown = Shown(Console(stderr=True).status("") if sys.stderr.isatty() and not is_quiet else None)
    try:
        with interrupted_once():
            yield shown
    except KeyboardInterrupt:
        raise BackupError(
            "interrupted: nothing is left behind, nothing was changed; run it again", returncode=ExitCode.INTERRUPTED
        ) from None
    finally:
        shown.pause()


def asking(stdout: Any, shown: Shown, *, is_sure: bool) -> Callable[[str, str], None]:
    """Return what asks whether a database is to be replaced, and raises BackupError where it is not.

    Raises BackupError, exit code 2, where nobody can be asked.
    """
    if not is_sure and not sys.stdin.isatty():
        raise BackupError(
            "nobody is there to be asked: say --yes if this is to be done", returncode=ExitCode.WRONG_USAGE
        )

    def confirm(database: str, what: str) -> None:
        if is_sure:
            return
        shown.pause()
        stdout.write(f"{database} will hold {what}; what it holds now is kept under another name.")
        stdout.write("Everybody who works in it is disconnected. Type yes to go on: ", ending="")
        stdout.flush()
        if sys.stdin.readline().strip().lower() != "yes":
            raise BackupError("not confirmed: nothing was changed")

    return confirm


def describe_backup(made: Made) -> Iterator[str]:
    """Yield the lines that say what was made, what must be kept with it and what to do next."""
    yield f"backed up {made.manifest['rows']} rows, restored them aside and compared them"
    yield f"state hash: {made.manifest['state_hash']}"
    yield from (f"removed, too old: {name}" for name in made.removed)
    yield "it opens with BACKUP_KEY, and is worth nothing without FIELD_KEYS and INDEX_KEY: keep them, away from it"
    yield f"next: copy {made.path} to another machine, and there: {MANAGE} verify_backup {made.path.name}"


def describe_backups(backups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each backup, the newest last."""
    for told in backups:
        rows, state = (told[name] if told[name] is not None else "?" for name in ("rows", "state_hash"))
        yield f"{told['made_at']}  {told['bytes']} bytes  {rows} rows  {state}  {told['file']}"
    yield f"next: {MANAGE} verify_backup {backups[-1]['file']}" if backups else f"none yet: {MANAGE} backup_database"


def describe_restore(done: Restored) -> Iterator[str]:
    """Yield the lines that say what stands where, how to go back and what to do next."""
    if done.manifest:
        migrated = ", migrated to this code" if done.is_migrated else ""
        yield f"{done.live} holds {done.manifest['rows']} rows of {done.manifest['created_at']}{migrated}"
        yield f"state hash: {done.manifest['state_hash']}"
        yield "undone: what was decided since, such as who left safeguarding and what turned confidential (docs/backups.md)"
    if done.kept:
        yield f"what stood there is kept as {done.kept}; to go back: {MANAGE} restore_database --back {done.kept}"
        quoted = done.kept.replace('"', '""')
        yield f'to drop it, once all is well, as the owner: DROP DATABASE "{quoted}"'
    yield f"next: look at the site, and run {MANAGE} state_hash"
