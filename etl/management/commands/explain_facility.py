"""manage.py explain_facility CODE: a facility's life in plain words."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from etl.console import run_with_exit_code
from etl.explain import explain


class Command(BaseCommand):
    help = "Tell a facility's life: sources, runs, changes, why records were merged, what is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", metavar="CODE", help="its facility code, also one that a merge retired")

    def handle(self, **options: Any) -> None:
        sys.exit(run_with_exit_code(lambda: self._explain(options["code"]), self.stderr))

    def _explain(self, code: str) -> int:
        self.stdout.write("\n".join(explain(code)))
        return 0
