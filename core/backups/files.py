"""The files of BACKUP_DIR: proven backups, their names, and what is old enough to go.

A file with a name of NAME is proven: it got that name only after it had been restored and compared.
"""

import fcntl
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from core.backups.errors import BackupError
from core.backups.sealed_backup import LARGEST_MANIFEST, MAGIC
from core.errors import ExitCode

NAME = re.compile(r"gvrc-admin-(\d{8}T\d{6}Z)(?:-(\d+))?\.backup")
_STATE_HASH = re.compile(r"[0-9a-f]{64}")
_STAMP = "%Y%m%dT%H%M%SZ"
PARTIAL, COPY = ".partial", ".json"  # behind the name: not proven yet; the manifest for people and monitoring


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A proven backup: its file, and when it was made."""

    path: Path
    made_at: datetime
    number: int  # of those that were made in the same second

    @property
    def copy(self) -> Path:
        """The readable copy of its manifest, which may be missing."""
        return copy_of(self.path)

    def told(self) -> dict[str, Any]:
        """Return the rows and the state hash that the copy of the manifest tells; nothing of one that tells them otherwise."""
        try:
            told = read_copy(self.copy)
        except (OSError, ValueError):
            return {}
        rows, state = (told.get(name) for name in ("rows", "state_hash")) if isinstance(told, dict) else (None, None)
        return {
            "rows": rows if type(rows) is int else None,
            "state_hash": state if isinstance(state, str) and _STATE_HASH.fullmatch(state) else None,
        }


def copy_of(path: Path) -> Path:
    """Return where the readable copy of a backup's manifest lies."""
    return path.with_name(f"{path.name}{COPY}")


def read_copy(copy: Path) -> Any:
    """Return the JSON of a manifest's copy; raises OSError or ValueError. A pipe is not waited for, and no huge file read."""
    descriptor = os.open(copy, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        is_read = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = file.read(LARGEST_MANIFEST + 1) if is_read else b""
    if not is_read or len(text) > LARGEST_MANIFEST:
        message = "it is no manifest"
        raise ValueError(message)
    try:
        return json.loads(text)
    except RecursionError as error:
        message = "it is nested too deep"
        raise ValueError(message) from error


def proven_backups() -> list[BackupFile]:
    """Return the proven backups of BACKUP_DIR, the oldest first; none where there is no such directory. Only names are read.

    Raises BackupError where the directory cannot be read.
    """
    try:
        with os.scandir(settings.BACKUP_DIR) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupError(f"{settings.BACKUP_DIR}: cannot be read ({error.strerror}); mend its rights") from None
    found = [file for name in names if (file := backup_file(settings.BACKUP_DIR / name))]
    return sorted(found, key=lambda file: (file.made_at, file.number))


def last_proven() -> datetime | None:
    """Return when the newest proven backup was made (UTC), None where there is none; raises BackupError."""
    proven = proven_backups()
    return proven[-1].made_at if proven else None


def listed_backups() -> list[dict[str, Any]]:
    """Return file, time, bytes, rows and state hash of the proven backups, the oldest first; raises BackupError.

    Rows and state hash come from the copy of the manifest, and are None where that is missing.
    """
    return [
        {
            "file": str(backup.path),
            "made_at": backup.made_at.isoformat(),
            "bytes": backup.path.stat().st_size,
            "rows": told.get("rows"),
            "state_hash": told.get("state_hash"),
        }
        for backup in proven_backups()
        for told in [backup.told()]
    ]


def backup_file(path: Path) -> BackupFile | None:
    """Return what a file's name says of it; None where that is no name of a backup."""
    match = NAME.fullmatch(path.name)
    if not match:
        return None
    try:
        made_at = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
    except ValueError:  # the 45th of Movember
        return None
    return BackupFile(path, made_at, int(match[2] or 1))


def named_backup(text: str) -> Path:
    """Return the file that somebody names; one that is not there may lie in BACKUP_DIR."""
    path = Path(text)
    there: Path = settings.BACKUP_DIR / text
    with suppress(OSError):  # a folder that may not be looked into: whoever opens the file says so
        if path.name == text and not path.exists() and there.exists():
            return there
    return path


def new_path(moment: datetime) -> Path:
    """Return a name that no backup has, for one that is made at this moment (UTC)."""
    stem = f"gvrc-admin-{moment:{_STAMP}}"
    names = [f"{stem}.backup", *(f"{stem}-{number}.backup" for number in range(2, 1000))]
    return next(path for name in names if not (path := settings.BACKUP_DIR / name).exists())


@contextmanager
def locked_directory() -> Iterator[None]:
    """Hold BACKUP_DIR, made (mode 0700) where it is missing, alone; raises BackupError where that is not possible."""
    folder: Path = settings.BACKUP_DIR
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        message = f"{folder}: no backup can be written there ({error.strerror}); mend it, or set BACKUP_DIR"
        raise BackupError(message) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            raise BackupError(
                f"another backup is at work {holder}; wait for it to end", returncode=ExitCode.LOCK_HELD
            ) from None
        with suppress(OSError):  # a full disk: who holds it is not worth an error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _holder(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder() -> bytes:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"on {socket.gethostname()}, pid {os.getpid()}, since {since}".encode()


def sync_directory() -> None:
    """Let the names in BACKUP_DIR survive a power cut."""
    descriptor = os.open(settings.BACKUP_DIR, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# what goes; the caller holds the directory


def remove_leftovers() -> None:
    """Remove what dead runs left: unproven files, and copies of manifests whose backup is gone. A folder is nobody's leftover."""
    for path in settings.BACKUP_DIR.iterdir():
        stem = path.name.removesuffix(PARTIAL).removesuffix(COPY)
        is_ours = stem != path.name and NAME.fullmatch(stem)
        is_folder = path.is_dir() and not path.is_symlink()
        if is_ours and not is_folder and (path.name.endswith(PARTIAL) or not path.with_name(stem).exists()):
            path.unlink(missing_ok=True)


def remove_old(now: datetime) -> list[str]:
    """Return the names of the backups that were removed: older than BACKUP_RETENTION_DAYS, and never the newest.

    Files of other names, or that do not begin as a backup does, are somebody else's.
    """
    days: int = settings.BACKUP_RETENTION_DAYS
    removed = []
    for file in proven_backups()[:-1] if days else []:
        age_days = (now - file.made_at) / timedelta(days=1)  # of any number of days: `now` minus a million is no date
        if age_days > days and _begins_as_backup(file.path):
            file.path.unlink(missing_ok=True)
            file.copy.unlink(missing_ok=True)
            removed.append(file.path.name)
    return removed


def _begins_as_backup(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
