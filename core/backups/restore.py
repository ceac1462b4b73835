"""A restore: the file is checked, restored aside, compared and made ready, and only then takes the live database's name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from core.access import note_access
from core.backups.errors import BackupError
from core.backups.keys import backup_keys
from core.backups.manifest_copy import refuse_other_copy, refuse_other_name
from core.backups.proof import Progress, restored
from core.backups.sealed_backup import open_backup
from core.backups.server import explained, only_one, refuse_beside_work, refuse_missing_roles
from core.backups.swap import swap_in, was_kept
from core.database_roles import apply_rules, as_owner_of
from core.known_migrations import code_migrations

Confirm = Callable[[str, str], object]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore left: the live database, and the name under which the one before stays (None where there was none)."""

    live: str
    kept: str | None
    manifest: dict[str, Any]
    is_migrated: bool  # it was made by older code


def verify_backup(path: Path, *, is_quick: bool = False, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Return the manifest of a backup that is sound and, unless it is to be quick, restores to what it was made of.

    Raises BackupError; the live database is not touched.
    """
    live = str(connection.settings_dict["NAME"])
    with explained(path), open_backup(path, keys=backup_keys()) as backup:
        progress("checking every byte")
        backup.check()
        refuse_other_name(path, backup.manifest)
        refuse_other_copy(path, backup.manifest)
        if not is_quick:
            with only_one(live), restored(backup, live, progress=progress):
                pass
        return backup.manifest


def restore_database(path: Path, *, confirm: Confirm, progress: Progress = lambda _: None) -> Restored:
    """Return what stands where the live database stood: what the backup holds, ready for the site.

    `confirm` gets the database's name and what it is to hold, and raises where it is not to be. Raises BackupError; until the
    last step, one transaction, the live database is as it was.
    """
    live = str(connection.settings_dict["NAME"])
    with explained(path), open_backup(path, keys=backup_keys()) as backup:
        progress("checking every byte")
        backup.check()
        manifest = backup.manifest
        is_older = _is_older(manifest)
        confirm(live, f"{manifest['rows']} rows of {manifest['created_at']}")
        with only_one(live):
            refuse_missing_roles()
            refuse_beside_work(live)
            with restored(backup, live, progress=progress) as scratch:
                with as_owner_of(scratch):
                    progress("making it ready")
                    _make_ready(is_older=is_older)
                refuse_beside_work(live)  # begun meanwhile
                progress("taking the live database's place")
                kept = swap_in(scratch, live=live)
            with as_owner_of(live):
                note_access("restore", path.name, count=manifest["rows"])
    return Restored(live, kept, manifest, is_older)


def swap_back(kept: str, *, confirm: Confirm) -> Restored:
    """Return what stands where the live database stood: the one that an earlier restore kept; raises BackupError."""
    live = str(connection.settings_dict["NAME"])
    with explained(settings.BACKUP_DIR), only_one(live):
        if not was_kept(kept, live=live):
            raise BackupError(f"there is no database {kept} that a restore of {live} kept: see the last lines of that")
        confirm(live, f"what {kept} holds")
        refuse_beside_work(live)
        return Restored(live, swap_in(kept, live=live), {}, is_migrated=False)


def _is_older(manifest: dict[str, Any]) -> bool:
    """Return whether this code has migrations that the backup lacks; raises BackupError where the backup has newer ones."""
    known, applied = code_migrations(), set(manifest["migrations"])
    if unknown := sorted(applied - known):
        raise BackupError(
            f"the backup was made by newer code (its migration {unknown[0]} is not known here): upgrade the code first"
        )
    return known != applied


def _make_ready(*, is_older: bool) -> None:
    """Bring the default database, a restored one, to this code's tables, triggers, rights and statistics."""
    if is_older:
        call_command("migrate", verbosity=0, interactive=False)
    apply_rules()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
