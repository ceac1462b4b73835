"""Backups for who watches over them: when the last proven one was made, and what each holds."""

from datetime import datetime
from typing import Any

from core.backups.files import BackupFile, proven_backups


def latest_backup() -> BackupFile | None:
    """Return the newest proven backup of BACKUP_DIR, None where there is none. Only names are read.

    Raises BackupError where the directory cannot be read.
    """
    return next(reversed(proven_backups()), None)


def last_proven() -> datetime | None:
    """Return when the newest proven backup was made (UTC), None where there is none; raises BackupError."""
    latest = latest_backup()
    return latest.made_at if latest else None


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
