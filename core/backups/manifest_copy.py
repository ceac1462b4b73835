"""The readable copy of a manifest beside its backup, for people and monitoring; the backup alone is enough to restore."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from core.backups.errors import BackupError
from core.backups.files import PARTIAL, copy_of

log = structlog.get_logger(__name__)


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
        told = json.loads(copy.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        told = None
    if told != manifest:
        raise BackupError(f"{copy}: says another thing than the backup itself: believe the backup, and remove the copy")
