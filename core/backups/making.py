"""A backup, made beside the working site: one snapshot is counted, dumped and sealed, then restored and compared.

Only what was proven so gets its final name. Nothing but sealed bytes is written to the disk.
"""

import os
import tomllib
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from core.access import note_access
from core.backups.errors import BackupError
from core.backups.facts import read_facts, snapshot
from core.backups.files import PARTIAL, locked_directory, new_path, remove_leftovers, remove_old, sync_directory
from core.backups.keys import backup_keys
from core.backups.manifest_copy import write_copy
from core.backups.postgres_client import client_program, dump, version_of
from core.backups.proof import Progress, restored
from core.backups.sealed_backup import open_backup, write_backup
from core.backups.server import exists, explained, only_one, parameters_for, server_version
from core.database_roles import as_owner_of
from core.interruptions import hear_no_more


@dataclass(frozen=True, slots=True)
class Made:
    """A new backup: its file, its manifest, and the older ones that went."""

    path: Path
    manifest: dict[str, Any]
    removed: list[str]

    def as_dict(self) -> dict[str, Any]:
        return {"file": str(self.path), "removed": self.removed, **self.manifest}


def back_up(*, progress: Progress = lambda _: None) -> Made:
    """Return a new backup, which was restored and compared before it got its name.

    Raises BackupError; nothing is left then, and no older backup is gone.
    """
    keys = backup_keys()
    live = str(connection.settings_dict["NAME"])
    with explained(settings.BACKUP_DIR), locked_directory():
        remove_leftovers()
        with only_one(live):
            if not exists(live):
                raise BackupError(f"there is no database {live} to back up: migrate, or restore a backup")
            path = new_path(datetime.now(UTC))
            partial = path.with_name(f"{path.name}{PARTIAL}")
            try:
                manifest = _write(partial, live, key=keys[0], progress=progress)
                with open_backup(partial, keys=keys[:1]) as backup:
                    backup.check()
                    with restored(backup, live, progress=progress):
                        pass
                hear_no_more()  # a backup that has its name is no leftover
                partial.rename(path)
            finally:
                partial.unlink(missing_ok=True)
            sync_directory()
            write_copy(path, manifest)
            with as_owner_of(live):
                note_access("backup", path.name, count=manifest["rows"])
        removed = remove_old(datetime.now(UTC))
    return Made(path, manifest, removed)


def _write(partial: Path, live: str, *, key: str, progress: Progress) -> dict[str, Any]:
    """Return the manifest of a backup that was written, and is on the disk."""
    parameters = parameters_for(live)
    major, version = server_version()
    program = client_program("pg_dump", major=major, parameters=parameters)
    with as_owner_of(live), snapshot() as seen, _created(partial) as file:
        moment = datetime.now(UTC)
        progress("counting every table")
        facts = read_facts()
        if not facts.migrations:
            raise BackupError(f"the database {live} holds nothing: migrate, or restore a backup")
        progress("dumping and sealing")
        about = {
            "created_at": moment.isoformat(timespec="seconds"),
            "database": live,
            "server_version": version,
            "pg_dump_version": version_of(program),
            "project_version": _project_version(),
            "rows": facts.rows,
        }
        with closing(dump(program, parameters, snapshot=seen)) as chunks:  # type: ignore[type-var] # a generator
            manifest = write_backup(file, chunks, manifest=about | facts.as_dict(), key=key)
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _created(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


def _project_version() -> str:
    try:
        project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return ""
