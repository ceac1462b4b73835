"""What stands outside of a backup and is believed by people and monitoring: the readable copy of its manifest, and its name.

The backup alone is enough to restore.
"""

import json
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from core.backups.errors import BackupError
from core.backups.files import PARTIAL, backup_file, copy_of, read_copy

log = structlog.get_logger(__name__)
_AT_MOST = timedelta(hours=1)  # from the name to the snapshot; seconds, as a rule


def write_copy(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the copy beside a backup, mode 0600; it appears whole. A backup without one is a backup all the same."""
    copy = copy_of(path)
    draft = copy.with_name(f"{path.name}{PARTIAL}")  # remove_leftovers() knows it
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1, sort_keys=True)
            file.write("\n")
        draft.replace(copy)
    except OSError as error:
        draft.unlink(missing_ok=True)
        log.warning("no copy of the manifest", code="manifest-not-copied", reason=error.strerror)


def refuse_other_copy(path: Path, manifest: Mapping[str, Any]) -> None:
    """Raise BackupError where there is a copy, and it says another thing than the sealed manifest."""
    copy = copy_of(path)
    try:
        told = read_copy(copy)
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        told = None
    if told != manifest:
        raise BackupError(f"{copy}: says another thing than the backup itself: believe the backup, and remove the copy")


def refuse_other_name(path: Path, manifest: Mapping[str, Any]) -> None:
    """Raise BackupError where a file has a name of ours, which says another time than the sealed manifest.

    An old backup under a newer name would keep the health check quiet, and one under an older name would be removed.
    """
    named, made_at = backup_file(path), datetime.fromisoformat(manifest["created_at"])
    if named and abs(named.made_at - made_at) > _AT_MOST:
        raise BackupError(
            f"{path}: was made on {made_at:%Y-%m-%d at %H:%M:%S} UTC, and its name says another time: it is sound; rename it"
        )
