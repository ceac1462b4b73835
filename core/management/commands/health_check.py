"""manage.py health_check: exit status 0 where all is well, 1 where something is not; docs/monitoring.md says what to do."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.health import as_lines, find_health, is_well


class Command(BaseCommand):
    help = (
        "Look whether the registry is well: database, migrations, keys, disk, backups, sources, rejects, lock, worker."
    )
    requires_system_checks = []  # they may want what is being looked at

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--quiet", action="store_true", help="print nothing where all is well")

    def handle(self, **options: Any) -> None:
        report = find_health(seconds=10)
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=1))
        elif not options["quiet"] or not is_well(report):
            self.stdout.write("\n".join(as_lines(report)))
        sys.exit(not is_well(report))
