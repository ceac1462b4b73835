"""manage.py backup_database: see `--help` and docs/backups.md."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.backups.console import at_work, describe_backup, describe_backups
from core.backups.files import listed_backups
from core.backups.making import back_up


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
            backups = listed_backups()
            lines = [json.dumps(backups)] if options["json"] else list(describe_backups(backups))
        else:
            with at_work(is_quiet=options["quiet"]) as progress:
                made = back_up(progress=progress)
            lines = [json.dumps(made.as_dict())] if options["json"] else list(describe_backup(made))
        if not options["quiet"] or options["list"] or options["json"]:
            self.stdout.write("\n".join(lines))
