"""manage.py rejects list|show|replay|discard: the dead letters."""

import json
import sys
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.models import User
from etl import rejects
from etl.console import (
    counted,
    describe_reject,
    last_line,
    print_rejects,
    print_summary,
    run_with_exit_code,
    show_progress,
)
from etl.sources import EVERY_SOURCE
from etl.stages.gates import exit_code
from etl.stages.report import to_json


class Command(BaseCommand):
    help = "List and show rejected records, run them through the pipeline again, or settle them by hand."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "show", "replay", "discard"])
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="numbers of rejects; without, all that fit")
        parser.add_argument("--run", type=int, help="rejects of this run")
        parser.add_argument("--source", choices=list(EVERY_SOURCE), default="", help="rejects of this source")
        parser.add_argument("--rule", default="", help="rejects under this rule, such as county-unknown")
        parser.add_argument("--state", choices=list(rejects.STATES), default="open")
        parser.add_argument("--waiting", action="store_true", help="only those that would load today")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing on success")

    def handle(self, **options: Any) -> None:
        sys.exit(run_with_exit_code(lambda: self._act(options), self.stderr))

    def _act(self, options: dict[str, Any]) -> int:
        chosen = {name: options[name] for name in ("run", "source", "rule", "state")}
        wanted = rejects.RejectFilter(ids=tuple(options["ids"]), **chosen)
        if options["waiting"]:
            wanted = replace(wanted, ids=tuple(rejects.find_waiting(wanted)))
            if not wanted.ids:
                self.stdout.write("No reject waits: none of them would load today.")
                return 0
        return {"list": self._list, "show": self._show, "replay": self._replay, "discard": self._discard}[
            options["action"]
        ](wanted, options)

    def _list(self, wanted: rejects.RejectFilter, options: dict[str, Any]) -> int:
        found = [rejects.describe(version) for version in rejects.find(wanted)]
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=1))
        else:
            print_rejects(found, self.stdout)
        return 0

    def _show(self, wanted: rejects.RejectFilter, options: dict[str, Any]) -> int:
        if options["json"]:
            return self._list(wanted, options)
        for version in rejects.find(wanted):
            self.stdout.write(describe_reject(rejects.describe(version)))
        return 0

    def _replay(self, wanted: rejects.RejectFilter, options: dict[str, Any]) -> int:
        with show_progress(quiet=options["quiet"]) as progress:
            summary = rejects.replay(wanted, user=User.import_user(), progress=progress)
        if options["json"]:
            self.stdout.write(to_json(summary))
        elif not summary["totals"]["read"]:
            self.stdout.write(f"No reject fits, nothing was replayed.\n{last_line(summary)}")
        elif not options["quiet"]:
            print_summary(summary, self.stdout)
        return exit_code(summary, limit=None, fail_on="never")

    def _discard(self, wanted: rejects.RejectFilter, options: dict[str, Any]) -> int:
        if not (wanted.ids or wanted.run or wanted.source or wanted.rule):
            self.stderr.write("name the rejects to discard: numbers, --run, --source or --rule")
            return 2
        count = rejects.discard(wanted, user=User.import_user())
        self.stdout.write(
            json.dumps({"discarded": count}) if options["json"] else f"{counted(count, 'reject')} discarded."
        )
        return 0
