"""manage.py backup_database: see `--help` and docs/backups.md."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.back_up import back_up, told_of
from core.backup_console import at_work
from core.backup_files import proven_backups


class Command(BaseCommand):
    help = (
        "Back up the database into BACKUP_DIR, sealed with BACKUP_KEY. The site may be used meanwhile. The file gets its name"
        " once it was restored into a scratch database and compared, row by row. Then older ones than BACKUP_RETENTION_DAYS go."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list", action="store_true", help="only list the backups, the newest last")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        if options["list"]:
            self._list(told_of(proven_backups()), as_json=options["json"])
            return
        with at_work(is_quiet=options["quiet"]) as progress:
            made = back_up(progress=progress)
        if options["json"]:
            self.stdout.write(json.dumps({"file": str(made.path), "removed": made.removed, **made.manifest}))
        elif not options["quiet"]:
            self.stdout.write(f"backed up {made.manifest['rows']} rows, restored them aside and compared them")
            self.stdout.write(f"state hash: {made.manifest['state_hash']}")
            for name in made.removed:
                self.stdout.write(f"removed, too old: {name}")
            self.stdout.write(
                f"{made.path} opens with BACKUP_KEY only: keep that and FIELD_KEYS, INDEX_KEY, SECRET_KEY elsewhere;"
                f" next: copy it to another machine, manage.py verify_backup {made.path}"
            )

    def _list(self, backups: list[dict[str, Any]], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(backups))
            return
        for told in backups:
            rows = told["rows"] if told["rows"] is not None else "?"
            self.stdout.write(
                f"{told['made_at']}  {told['bytes']} bytes  {rows} rows  {told['state_hash'] or '?'}  {told['file']}"
            )
        if not backups:
            self.stdout.write("no backup yet: manage.py backup_database makes one")
