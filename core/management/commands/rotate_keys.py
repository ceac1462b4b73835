"""manage.py rotate_keys: see `--help` and docs/commands.md."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from core.command_line import positive
from core.rotation import BATCH, Tally, count_keys, rotate_keys

_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Re-encrypt every sealed value, in its column and in the audit trail, under the newest key: the first of"
        " FIELD_KEYS. May be killed and run again; the site may run meanwhile. INDEX_KEY is not rotated: every blind"
        " index would have to be made anew from the values."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count; write nothing")
        parser.add_argument("--batch-size", type=positive, default=BATCH, help="rows per transaction")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        work = count_keys if options["check"] else rotate_keys
        is_shown = sys.stderr.isatty() and not options["quiet"]
        with Console(stderr=True).status("starting") if is_shown else nullcontext() as status:
            tally = work(batch_size=options["batch_size"], progress=status.update if status else lambda _: None)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(tally)))
        elif tally.remedy or not options["quiet"]:
            self._print(tally)
        if tally.remedy:
            raise CommandError(tally.remedy)

    def _print(self, tally: Tally) -> None:
        self.stdout.write(f"re-encrypted: {tally.re_encrypted}")
        self.stdout.write(f"under an old key: {tally.under_old_key}")
        self.stdout.write(f"unreadable: {tally.unreadable}")
        for place in tally.unreadable_at[:_SHOWN]:
            self.stdout.write(f"  {place['table']}.{place['column']} {place['key']}")
        if tally.unreadable > _SHOWN:
            self.stdout.write(f"  and {tally.unreadable - _SHOWN} more: --json names them")
