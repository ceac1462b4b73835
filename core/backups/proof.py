"""The proof of a backup: it is restored into a scratch database, and what stands there is compared with its manifest."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from django.db import connection

from core.backups.errors import BackupError
from core.backups.facts import Facts, read_facts
from core.backups.postgres_client import client_program, restore
from core.backups.sealed_backup import SealedBackup
from core.backups.server import parameters_for, scratch_database, server_version
from core.database_roles import as_owner_of
from core.key_guard import KeysDoNotFitError

Progress = Callable[[str], object]
_MOST_NAMED = 5


@contextmanager
def restored(backup: SealedBackup, live: str, *, progress: Progress) -> Iterator[str]:
    """Give the name of a scratch database that holds what the manifest says, to the row, under keys that are at hand.

    Its connections are closed. Raises BackupError where that is not so; the live database is not touched.
    """
    expected = Facts.of(backup.manifest)
    with scratch_database(live, locale=expected.locale) as scratch:
        progress("restoring into a scratch database")
        parameters = parameters_for(scratch)
        program = client_program("pg_restore", major=server_version()[0], parameters=parameters)
        with closing(backup.dump()) as dump:  # type: ignore[type-var] # a generator
            restore(program, parameters, dump)
        progress("comparing every table")
        with as_owner_of(scratch):
            found = _facts_under_keys_at_hand()
        if differing := expected.differences(found):
            named = ", ".join(differing[:_MOST_NAMED]) + (" and others" if len(differing) > _MOST_NAMED else "")
            raise BackupError(
                f"{backup.path.name}: does not restore to what it was made of ({named}): nothing was changed; use another backup"
            )
        yield scratch


def _facts_under_keys_at_hand() -> Facts:
    try:
        connection.ensure_connection()  # the key guard looks
        return read_facts()
    except KeysDoNotFitError as error:
        setting = "INDEX_KEY" if str(error).startswith("INDEX_KEY") else "FIELD_KEYS"
        way_out = "set that one" if setting == "INDEX_KEY" else "add the old key at the end of FIELD_KEYS"
        raise BackupError(f"the backup was written under another {setting}: {way_out}, and run it again") from None
