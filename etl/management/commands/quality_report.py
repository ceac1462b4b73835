"""manage.py quality_report: see `--help` and docs/commands.md."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from etl.console import RENDERERS, run_with_exit_code, write_text
from etl.quality_reporting import read_report


class Command(BaseCommand):
    help = "Report the quality of the registry at a run: five metrics, what was found, what to do next."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--run", type=int, metavar="N", help="the number of the run (the last that was measured)")
        parser.add_argument("--format", choices=list(RENDERERS), default="text", help="how it is written (text)")
        parser.add_argument("--output", type=Path, metavar="PATH", help="a file instead of the terminal")

    def handle(self, **options: Any) -> None:
        sys.exit(run_with_exit_code(lambda: self._report(options), self.stderr))

    def _report(self, options: dict[str, Any]) -> int:
        text = RENDERERS[options["format"]](read_report(options["run"]))
        if options["output"]:
            write_text(options["output"], text, what="the quality report")
        else:
            self.stdout.write(text)
        return 0
