"""manage.py migrate_sqlite PATH: see `--help` and docs/migrate-sqlite.md."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import ExitCode
from etl.console import run_with_exit_code, show_progress
from etl.legacy.migration import migrate_legacy
from etl.legacy.telling import beyond, is_of, tell, write_migration_report
from etl.stages.gates import RejectLimit


class Command(BaseCommand):
    help = "Copy a legacy database (SQLite, or its dumpdata export) into the registry, every row accounted for. Repeatable."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("path", type=Path, metavar="PATH", help="the .sqlite3 file, or the JSON that dumpdata wrote")
        add("--dry-run", action="store_true", help="show what would happen; leave no row")
        add("--json", action="store_true", help="print one JSON object")
        add("--report", type=Path, metavar="PATH", help="write every listed row (.json: JSON, else text)")
        add("--max-rejects", type=RejectLimit.parse, metavar="N|P%", help="exit 4 beyond that many listed rows")
        add("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        if options["report"] and is_of(options["report"], options["path"]):
            raise CommandError(
                "--report names the legacy file, which is never written: name another", returncode=ExitCode.WRONG_USAGE
            )
        sys.exit(run_with_exit_code(lambda: self._migrate(options), self.stderr))

    def _migrate(self, options: dict[str, Any]) -> int:
        with show_progress(quiet=options["quiet"]) as progress:
            summary = migrate_legacy(options["path"], dry_run=options["dry_run"], progress=progress)
        reason = beyond(summary, options["max_rejects"])
        if options["json"]:
            self.stdout.write(json.dumps(summary, indent=1))
        elif reason or not options["quiet"]:
            tell(summary, self.stdout)
        if options["report"]:
            write_migration_report(summary, options["report"])
        if reason:
            self.stderr.write(reason)
        return ExitCode.BEYOND_GATE if reason else ExitCode.SUCCESS
