"""manage.py find_facilities: see `--help` and docs/commands.md."""

import json
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import ExitCode
from core.roles import IMPORT_USER
from facilities.asking import ask_for_help, find_user
from facilities.find_help import DEFAULT_LIMIT
from facilities.help_request import HelpRequestError, read_request
from facilities.help_text import as_json, as_lines


class Command(BaseCommand):
    help = "Tell the nearest places in service that state a service, with their contacts; confidential ones never."

    def add_arguments(self, parser: CommandParser) -> None:
        parser._negative_number_matcher = re.compile(r"^-[.\d]")  # noqa: SLF001 - --near -1.29,36.82
        add = parser.add_argument
        add("--service", action="append", default=[], metavar="CODE", help="such as hiv-pep; repeated: all of them")
        add("--county", default="", metavar="NAME|CODE", help="such as Nairobi or 047")
        add("--constituency", default="", metavar="NAME|CODE", help="where a ward's name is one of several")
        add("--ward", default="", metavar="NAME|CODE", help="such as Kilimani; else a constituency's name")
        add("--near", default="", metavar="LAT,LON", help="a point in degrees, such as -1.2921,36.8219")
        add("--limit", type=int, default=DEFAULT_LIMIT, metavar="N", help=f"how many places ({DEFAULT_LIMIT})")
        add("--json", action="store_true", help="print JSON")
        add("--user", default=IMPORT_USER, metavar="NAME", help="who asks: roles and log are about them")

    def handle(self, **options: Any) -> None:
        places = {name: options[name] for name in ("county", "constituency", "ward", "near")}
        try:
            wanted = read_request(options["service"], **places, limit=options["limit"])
            answer = ask_for_help(wanted, user=find_user(options["user"]))
        except HelpRequestError as error:
            raise CommandError(str(error), returncode=ExitCode.WRONG_USAGE) from error
        self.stdout.write(json.dumps(as_json(answer), indent=1) if options["json"] else "\n".join(as_lines(answer)))
