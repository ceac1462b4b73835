"""manage.py restore_database: see `--help` and docs/backups.md."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.backups.console import asking, at_work, describe_restore
from core.backups.files import named_backup
from core.backups.restore import restore_database, swap_back
from core.errors import ExitCode


class Command(BaseCommand):
    help = (
        "Put what a backup holds in the place of the database. It is checked, restored aside and compared first; the database"
        " that stands there is kept under another name, which the last lines say."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=named_backup, nargs="?", help="a file that backup_database wrote")
        parser.add_argument("--yes", action="store_true", help="do not ask; needed where no terminal is")
        parser.add_argument("--back", metavar="DATABASE", help="instead: put back the database that a restore kept")
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        if bool(options["file"]) == bool(options["back"]):
            raise CommandError("name a FILE, or a database after --back", returncode=ExitCode.WRONG_USAGE)
        with at_work(is_quiet=options["quiet"]) as progress:
            confirm = asking(self.stdout, progress, is_sure=options["yes"])
            if options["back"]:
                done = swap_back(options["back"], confirm=confirm)
            else:
                done = restore_database(options["file"], confirm=confirm, progress=progress)
        if not options["quiet"]:
            for line in describe_restore(done):
                self.stdout.write(line)
