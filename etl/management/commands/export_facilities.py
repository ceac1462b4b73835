"""manage.py export_facilities: see `--help` and docs/commands.md."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.roles import IMPORT_USER
from etl.console import run_with_exit_code
from etl.exporting import ExportOptions, export_facilities
from facilities.export import Audience, Format


class Command(BaseCommand):
    help = "Export the open places, masked for the public or whole for work inside the centre; confidential ones never."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=list(Format), default=Format.CSV, help="csv unless said otherwise")
        parser.add_argument(
            "--audience", choices=list(Audience), default=Audience.PUBLIC, help="public unless said otherwise"
        )
        parser.add_argument("--county", metavar="NAME|CODE", help="only what lies there, such as Nairobi or 047")
        parser.add_argument(
            "--output", type=Path, metavar="PATH", help="write a file, whole or not at all; else stdout"
        )
        parser.add_argument(
            "--user", default=IMPORT_USER, metavar="NAME", help="who asks: roles and log are about them"
        )

    def handle(self, **options: Any) -> None:
        sys.exit(run_with_exit_code(lambda: self._export(options), self.stderr))

    def _export(self, options: dict[str, Any]) -> int:
        wanted = ExportOptions(
            format=Format(options["format"]),
            audience=Audience(options["audience"]),
            county=options["county"],
            output=options["output"],
            user=options["user"],
        )
        if remark := export_facilities(wanted, self.stdout):
            self.stderr.write(remark)
        return 0
