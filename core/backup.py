"""Backups for who watches over them: when the last proven one was made."""

from datetime import datetime

from core.backup_files import BackupFile, proven_backups


def latest_backup() -> BackupFile | None:
    """Return the newest proven backup of BACKUP_DIR, None where there is none. Only names are read.

    Raises BackupError where the directory cannot be read.
    """
    return next(reversed(proven_backups()), None)


def last_proven() -> datetime | None:
    """Return when the newest proven backup was made (UTC), None where there is none; raises BackupError."""
    latest = latest_backup()
    return latest.made_at if latest else None
