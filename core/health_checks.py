"""What core looks at: the database, its migrations, the keys, the disks, the backups."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from core.backups.files import proven_backups
from core.backups.keys import backup_keys
from core.backups.sealed_backup import open_backup
from core.health import Check, Verdict, age_in_words, healthy, unhealthy
from core.key_guard import check_keys
from core.known_migrations import applied_migrations, code_migrations

MEGABYTE = 1_000_000
MOST_NAMED = 5
AHEAD = timedelta(hours=1)  # two machines' clocks may differ


def look_at_database() -> Verdict:
    """Return how long a new connection and a statement on it took together."""
    started = perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return healthy(f"connected and answered in {(perf_counter() - started) * 1000:.0f} ms")


def look_at_migrations() -> Verdict:
    """Return which migrations of this code the database lacks."""
    applied = applied_migrations()
    if not applied:
        return unhealthy(
            "the database is empty: run `manage.py migrate`, or `restore_database` where it held a registry"
        )
    pending = sorted(code_migrations() - applied)
    if not pending:
        return healthy("all are applied")
    named = ", ".join(pending[:MOST_NAMED])
    more = f" and {len(pending) - MOST_NAMED} more" if len(pending) > MOST_NAMED else ""
    return unhealthy(f"{len(pending)} are pending: {named}{more}; run `manage.py migrate`")


def look_at_keys() -> Verdict:
    """Return whether the keys are those that the database was written with; the guard's words where they are not."""
    return healthy("they fit") if check_keys() else healthy("nothing is sealed yet")


def look_at_disk() -> Verdict:
    """Return how much room is left where we write; a folder of ours under var/ is made when it is wanted."""
    bad: list[str] = []
    free: list[str] = []
    seen: set[int] = set()
    for name, folder in _written_to():
        if not folder.is_dir():
            if not folder.is_relative_to(settings.VAR_DIR):
                bad.append(f"{name} is not there: mount or make it")
                continue
            folder = next(above for above in folder.parents if above.is_dir())  # noqa: PLW2901 - the disk it will be on
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        disk = os.statvfs(folder)
        room = disk.f_bavail * disk.f_frsize // MEGABYTE
        told = f"{name}: {room} MB free"
        if room < settings.HEALTH_MIN_FREE_MB:
            bad.append(f"{told}, less than HEALTH_MIN_FREE_MB = {settings.HEALTH_MIN_FREE_MB}: make room")
        elif disk.f_files and not disk.f_favail:
            bad.append(f"{name}: no room for another file (inodes): make some")
        free.append(told)
    return unhealthy("; ".join(bad)) if bad else healthy("; ".join(free))


def _written_to() -> Iterator[tuple[str, Path]]:
    yield "var", settings.VAR_DIR
    yield "reports", settings.REPORTS_DIR
    yield "uploads", settings.UPLOADS_DIR
    yield "BACKUP_DIR", settings.BACKUP_DIR
    if settings.ETL_TEXTFILE:
        yield "ETL_TEXTFILE", Path(settings.ETL_TEXTFILE).absolute().parent


def look_at_backups() -> Verdict:
    """Return how old the last proven backup is; a registry that is younger than a backup may be needs none yet.

    Raises BackupError where BACKUP_KEY does not open it, or its end is damaged: better known today than on a bad day.
    """
    oldest = timedelta(hours=settings.BACKUP_FRESH_HOURS)
    proven = proven_backups()
    now = datetime.now(UTC)
    if not proven:
        if now - _born() <= oldest:
            return healthy("none yet: the registry is new")
        return unhealthy("none yet: run `manage.py backup_database`, and schedule it")
    made = proven[-1].made_at
    if made - now > AHEAD:
        return unhealthy(
            f"the last proven one is of {made:%Y-%m-%d}, which is to come: set the clock right,"
            " and take that file out of BACKUP_DIR"
        )
    age = f"the last proven one is {age_in_words(now - made)} old"
    if now - made > oldest:
        return unhealthy(
            f"{age}, more than BACKUP_FRESH_HOURS = {settings.BACKUP_FRESH_HOURS}: look whether backups run"
        )
    with open_backup(proven[-1].path, keys=backup_keys()):  # its manifest, which stands at its end; not the dump
        return healthy(age)


def _born() -> datetime:
    """Return when the database was made: when its first migration was applied; raises where it does not answer."""
    first = MigrationRecorder(connection).migration_qs.order_by("applied").first()
    return first.applied if first else datetime.now(UTC)


CHECKS = (
    Check("database", look_at_database),  # first: without it the others are not asked
    Check("migrations", look_at_migrations),
    Check("keys", look_at_keys),
    Check("disk", look_at_disk, needs_database=False),
    Check("backups", look_at_backups, needs_database=False),
)
