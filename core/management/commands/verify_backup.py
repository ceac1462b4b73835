"""manage.py verify_backup: see `--help` and docs/backups.md."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.backups.console import at_work
from core.backups.files import named_backup
from core.backups.restore import verify_backup
from core.installation import MANAGE


class Command(BaseCommand):
    help = "Check every byte of a backup, restore it into a scratch database and compare that with its manifest."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=named_backup, help="a file that backup_database wrote")
        parser.add_argument("--quick", action="store_true", help="only check the bytes: no database is needed")
        parser.add_argument("--json", action="store_true", help="print its manifest")
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        path = options["file"]
        with at_work(is_quiet=options["quiet"]) as progress:
            manifest = verify_backup(path, is_quick=options["quick"], progress=progress)
        if options["json"]:
            self.stdout.write(json.dumps(manifest))
        elif not options["quiet"]:
            seen = "every byte is as it was written" if options["quick"] else "it restores to what it was made of"
            self.stdout.write(f"{path}: {seen}; {manifest['rows']} rows of {manifest['created_at']}")
            self.stdout.write(f"state hash: {manifest['state_hash']}; next: {MANAGE} restore_database {path}")
