"""migrate_legacy(): the table of contents of a legacy database's way into ours: one transaction, or nothing."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from core.audit import acting
from core.database_roles import as_owner
from core.key_guard import check_keys
from core.models import User
from core.statistics import refresh_statistics
from etl.facility_rows import RowIds
from etl.fingerprint import pipeline_fingerprint
from etl.legacy.books import Books, MigrationError
from etl.legacy.database import LegacyDatabase
from etl.legacy.dumpdata import open_legacy
from etl.legacy.facilities import land_facilities
from etl.legacy.ground import Ground
from etl.legacy.keys import Before, Keys, advance_sequences, set_sequence
from etl.legacy.lookups import land_lookups
from etl.legacy.people import land_users, make_room
from etl.legacy.places import land_places
from etl.legacy.rows import MODELS, Written
from etl.legacy.trail import land_trail, shift_trail
from etl.lock import import_lock
from etl.models import ImportRun, SourceFile
from etl.reference import read_reference, with_lookups_anew
from etl.runs import close_run, open_run, rehearse
from etl.sources import MIGRATED
from etl.stages.legacy import TABLES
from facilities.loading import load_lookups
from facilities.models import Facility, FacilityType
from geography.loading import load_geography
from geography.models import County

SESSION = "command:migrate_sqlite"
Progress = Callable[[str], None]


def migrate_legacy(path: Path, *, dry_run: bool = False, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Return what became of every row of a legacy database: the object of `migrate_sqlite --json`.

    All of it is written in one transaction, read back and compared before it stands. Raises LegacyFileError,
    MigrationError, LockHeldError; then nothing was written.
    """
    with open_legacy(path) as legacy, as_owner():
        _check_schema()
        with import_lock():
            check_keys()
            migrate = partial(_migrate, legacy, progress)
            summary = rehearse(migrate) | {"run": None} if dry_run else migrate()
            if not dry_run and summary["totals"]["landed"]:
                refresh_statistics()
    return summary | {"dry_run": dry_run}


def _check_schema() -> None:
    needed = {str(model._meta.db_table) for model in MODELS.values()} | {"import_runs"}  # noqa: SLF001 - documented API
    missing = needed - set(connection.introspection.table_names())
    if missing:
        raise MigrationError("the database has no tables yet: run `manage.py migrate` first")


def _migrate(legacy: LegacyDatabase, progress: Progress) -> dict[str, Any]:
    with acting(None, SESSION), connection.cursor() as cursor:
        tables = ", ".join(f'"{name}"' for name in MODELS)
        cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")  # nobody writes beside; reading goes on
        highest = advance_sequences(legacy)
        before = Before.look()
        user_keys = Keys("users")
        if before.is_unused:
            shift_trail(highest["audit_trail"])
            set_sequence("audit_trail")
            make_room(legacy, user_keys)
        books, written = Books(), Written()
        progress("users")
        land_users(legacy, books=books, written=written, keys=user_keys, before=before)
        set_sequence("users")
        user = User.import_user()
        with acting(user.pk, SESSION):
            run = _land(legacy, before=before, books=books, written=written, user=user, progress=progress)
        progress("compare")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            set_sequence(table)
        legacy.check_again()
        written.compare()
        books.check()
        summary = books.as_json(legacy) | {"run": run and run.pk}
        if run:
            close_run(run, status=ImportRun.Status.SUCCEEDED, summary={"migration": {"totals": books.totals()}})
    return summary


def _land(
    legacy: LegacyDatabase,
    *,
    before: Before,
    books: Books,
    written: Written,
    user: User,
    progress: Progress,
) -> ImportRun | None:
    """Return the run that facilities landed in; None where none did."""
    progress("places")
    ground = _prepare_ground(legacy, before=before, books=books, written=written)
    run = open_run(ImportRun.Kind.MIGRATION, user=user, options={"file": legacy.name})
    file = SourceFile.objects.create(
        run=run, source=MIGRATED, name=legacy.name[:255], status=SourceFile.Status.SOUND, sha256=legacy.sha256,
        size_bytes=legacy.size_bytes, is_staged=True,
    )  # fmt: skip
    progress("facilities")
    fingerprint = pipeline_fingerprint(ground.reference)
    land_facilities(legacy, ground=ground, run=run, file=file, fingerprint=fingerprint)
    progress("audit trail")
    land_trail(legacy, ground=ground)
    books.list_unreadable(legacy)
    if not books.landed["facilities"]:
        run.delete()
        return None
    file.records = books.landed["facilities"]
    file.save(update_fields=["records"])
    return run


def _prepare_ground(legacy: LegacyDatabase, *, before: Before, books: Books, written: Written) -> Ground:
    """Return what facilities are landed on, after places and lookups have their rows."""
    _load_reference()
    reference = read_reference()
    places = land_places(legacy, books=books, written=written, gazetteer=reference.gazetteer, before=before)
    land_lookups(legacy, books=books, written=written, reference=reference, before=before)
    return Ground(
        books=books,
        written=written,
        reference=with_lookups_anew(reference),
        places=places,
        ids=RowIds.read(),
        keys={table: Keys(table) for table in TABLES},
        moment=timezone.now(),
        numbers=dict(_numbers()),
        hidden=dict(Facility.objects.values_list("pk", "is_confidential")),
    )


def _numbers() -> Iterator[tuple[str, str]]:
    """Yield the registration number of each facility that has one, and its code."""
    for number, code in Facility.objects.values_list("registration_number", "facility_code").iterator():
        if number:
            yield number, code


def _load_reference() -> None:
    """Load geography and lookups where they were never loaded."""
    if not County.objects.exists():
        load_geography(settings.FIXTURES_DIR)
    if not FacilityType.objects.exists():
        load_lookups(settings.FIXTURES_DIR / "lookups.json")
