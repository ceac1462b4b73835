"""manage.py import_facilities: see `--help` and docs/commands.md."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.command_line import positive
from core.errors import ExitCode
from etl.console import print_summary, profiled, run_with_exit_code, show_progress, write_report
from etl.ping import pinged
from etl.pipeline import ImportOptions, import_facilities
from etl.source_files import is_source_file
from etl.sources import EXPORTED, SOURCES
from etl.stages.drift import OnDrift
from etl.stages.gates import RejectLimit, beyond_gate, exit_code
from etl.stages.report import refusals, to_json


class Command(BaseCommand):
    help = "Import the facility files: extract, validate, transform, dedupe, upsert."

    def add_arguments(self, parser: CommandParser) -> None:
        chosen = f"all, or some of: {', '.join(SOURCES)}; {EXPORTED}, an internal export, where it is named"
        parser.add_argument("sources", nargs="*", metavar="SOURCE", help=chosen)
        parser.add_argument("--data-dir", type=Path, default=settings.RAW_DATA_DIR, help="where the files are")
        parser.add_argument("--dry-run", action="store_true", help="show what would happen; leave no row")
        parser.add_argument(
            "--batch-size", type=positive, default=settings.ETL_BATCH_SIZE, help="facilities per transaction"
        )
        parser.add_argument(
            "--workers",
            type=positive,
            default=settings.ETL_WORKERS,
            help=f"processes for large imports (ETL_WORKERS, now {settings.ETL_WORKERS}); 1: none but this one",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--report", type=Path, metavar="PATH", help="write an HTML report (.json: JSON, .txt: text)"
        )
        parser.add_argument(
            "--max-rejects", type=RejectLimit.parse, metavar="N|P%", help="exit 4 beyond that many rejects"
        )
        parser.add_argument(
            "--fail-on", choices=["never", "rejects", "quality"], default="never", help="exit 4 on these"
        )
        parser.add_argument(
            "--allow-shrink", action="store_true", help="accept a source that holds no record, or much less than before"
        )
        parser.add_argument(
            "--on-drift",
            choices=list(OnDrift),
            type=OnDrift,
            default=OnDrift(settings.ETL_ON_DRIFT),
            help="fail: refuse a source whose records lack members that they had, or hold them in another type",
        )
        parser.add_argument(
            "--deactivate-missing",
            action="store_true",
            help="take facilities out of service that no source lists any more",
        )
        parser.add_argument(
            "--profile",
            type=Path,
            metavar="PATH",
            help="write where this process spends its time, as HTML (.txt: text); that of workers only with --workers 1",
        )
        parser.add_argument("--resume", action="store_true", help="go on with the last import if it was interrupted")
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        if named := next((o for o in ("report", "profile") if is_source_file(options[o], options["data_dir"])), ""):
            raise CommandError(
                f"--{named} names a list that is to be read: name another file", returncode=ExitCode.WRONG_USAGE
            )
        work = partial(run_with_exit_code, lambda: self._import(options), self.stderr)
        sys.exit(pinged(work, url="" if options["dry_run"] else settings.ETL_PING_URL))

    def _import(self, options: dict[str, Any]) -> int:
        wanted = ImportOptions(
            data_dir=options["data_dir"],
            sources=tuple(options["sources"]),
            dry_run=options["dry_run"],
            batch_size=options["batch_size"],
            workers=options["workers"],
            allow_shrink=options["allow_shrink"],
            on_drift=options["on_drift"],
            deactivate_missing=options["deactivate_missing"],
            resume=options["resume"],
        )
        with show_progress(quiet=options["quiet"]) as progress, profiled(options["profile"]):
            summary = import_facilities(wanted, progress=progress)
        gate = {"limit": options["max_rejects"], "fail_on": options["fail_on"]}
        code = exit_code(summary, **gate)
        if options["json"]:
            self.stdout.write(to_json(summary))
        elif code or not options["quiet"]:
            print_summary(summary, self.stdout)
        for reason in refusals(summary):
            self.stderr.write(reason)
        if reason := beyond_gate(summary, **gate):
            self.stderr.write(reason)
        if options["report"]:
            write_report(summary, options["report"])
        return code
