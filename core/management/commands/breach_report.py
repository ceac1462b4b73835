"""manage.py breach_report: who saw, set or exported which personal and protected values."""

import argparse
import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from core.breach import as_json, as_lines, find_looks
from core.errors import ExitCode
from core.models import User


class Command(BaseCommand):
    help = "Tell who saw, set or exported which personal and protected values: for a report of a breach."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_moment, help="a day or a moment, such as 2026-11-01 or 2026-11-01T08:30")
        parser.add_argument("--until", type=_moment, help="before this day or moment")
        parser.add_argument("--user", default="", help="of this user alone")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **options: Any) -> None:
        if options["user"] and not User.objects.filter(username=options["user"]).exists():
            raise CommandError(f"there is no user '{options['user']}'", returncode=ExitCode.WRONG_USAGE)
        report = as_json(find_looks(since=options["since"], until=options["until"], user=options["user"]))
        self.stdout.write(json.dumps(report, indent=1) if options["json"] else "\n".join(as_lines(report)))


def _moment(text: str) -> datetime:
    try:
        day = parse_date(text)
        moment = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001 - made aware below
    except ValueError:
        moment = None
    if moment is None:
        raise argparse.ArgumentTypeError(f"'{text[:30]}' is no day or moment: write 2026-11-01 or 2026-11-01T08:30")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
