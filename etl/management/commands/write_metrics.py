"""manage.py write_metrics: metrics for Prometheus; docs/monitoring.md lists them."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from etl.console import run_with_exit_code
from etl.metrics import metrics_text, write_metrics


class Command(BaseCommand):
    help = "Write metrics as Prometheus' text: into a file, whole or not at all, or without one to the terminal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--output", type=Path, metavar="PATH", default=settings.ETL_TEXTFILE or None, help="default: ETL_TEXTFILE"
        )
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        sys.exit(run_with_exit_code(lambda: self._write(options), self.stderr))

    def _write(self, options: dict[str, Any]) -> int:
        if options["output"] is None:
            self.stdout.write(metrics_text().decode(), ending="")
            return 0
        write_metrics(Path(options["output"]))
        if not options["quiet"]:
            self.stdout.write(f"Metrics written to {options['output']}. Next: docs/monitoring.md says what they mean")
        return 0
