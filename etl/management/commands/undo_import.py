"""manage.py undo_import RUN: reverse one run; what a person changed since is kept and named."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.installation import MANAGE
from core.models import User
from etl.console import run_with_exit_code
from etl.undo import Undone, undo_import


class Command(BaseCommand):
    help = "Reverse what one run changed; whatever a person or a later run changed since is kept and named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, metavar="RUN", help="the number of the run")
        parser.add_argument("--dry-run", action="store_true", help="show what would happen; leave no row")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        sys.exit(run_with_exit_code(lambda: self._undo(options), self.stderr))

    def _undo(self, options: dict[str, Any]) -> int:
        undone = undo_import(options["run"], user=User.import_user(), dry_run=options["dry_run"])
        if options["json"]:
            self.stdout.write(json.dumps(undone.as_json(), indent=1))
        else:
            self._print(undone)
        return 0

    def _print(self, undone: Undone) -> None:
        would = "would be " if undone.undo_run is None else ""
        self.stdout.write(
            f"Run {undone.run}: {undone.removed} facilities {would}removed, {undone.restored} {would}restored, "
            f"{len(undone.kept)} kept."
        )
        for code, reason in undone.kept.items():
            self.stdout.write(f"  kept {code}: {reason}")
        if undone.undo_run is None:
            self.stdout.write(f"Dry run; nothing was written. Next: {MANAGE} undo_import {undone.run}")
        else:
            self.stdout.write(
                f"Run {undone.undo_run} undid run {undone.run}. Importing its files again applies them again."
            )
