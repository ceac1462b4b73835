"""manage.py duplicates list|show|merge|separate|split: the review queue."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.command_line import take_options_anywhere
from core.installation import MANAGE
from core.models import User
from core.roles import Action, may
from etl import decisions, review
from etl.codes import find_facility
from etl.console import run_with_exit_code
from etl.errors import DecisionError
from etl.review_text import comparison_in_lines, decision_in_lines, pairs_in_lines, parts_in_lines

LONGEST_NUMBER = 19  # digits


class Command(BaseCommand):
    help = "List and show pairs that may be one place, merge them, tell them apart for good, or take a merge back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "show", "merge", "separate", "split"])
        parser.add_argument(
            "names",
            nargs="*",
            metavar="PAIR|CODE",
            help="the number of a pair, or codes of facilities; split also takes numbers of source records after a code",
        )
        parser.add_argument("--state", choices=list(review.STATES), default="open", help="list: which pairs")
        parser.add_argument("--county", default="", help="list: pairs of this county, by name or code")
        parser.add_argument("--keep", default="", metavar="CODE", help="merge: the facility that stays")
        parser.add_argument(
            "--choose",
            action="append",
            default=[],
            metavar="FIELD=CODE",
            help="merge: whose word counts for a field, such as name=GVRC-...; may be repeated",
        )
        parser.add_argument("--by", default="", metavar="USER", help="whose decision it is; without, the import's user")
        parser.add_argument("--dry-run", action="store_true", help="show what would happen; leave no row")
        parser.add_argument("--json", action="store_true", help="print JSON")
        take_options_anywhere(parser)

    def handle(self, **options: Any) -> None:
        act = {name: getattr(self, f"_{name}") for name in ("list", "show", "merge", "separate", "split")}
        sys.exit(run_with_exit_code(lambda: act[options["action"]](options), self.stderr))

    def _list(self, options: dict[str, Any]) -> int:
        if options["names"]:
            raise DecisionError("list takes no names: use --state and --county, or `duplicates show`")
        tell_names = may(_user(options), Action.REVEAL)
        pairs = review.find_pairs(state=options["state"], county=options["county"], tell_names=tell_names)
        found = [review.describe(pair) for pair in pairs]
        return self._print(found, pairs_in_lines(found), options)

    def _show(self, options: dict[str, Any]) -> int:
        if not options["names"]:
            raise DecisionError(f"name the pair or the facility to show; {MANAGE} duplicates list has the numbers")
        shown = [self._shown(name, options) for name in options["names"]]
        lines = (line for one in shown for line in (comparison_in_lines if "features" in one else parts_in_lines)(one))
        return self._print(shown, lines, options)

    def _shown(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        if _is_number(name):
            tell_names = may(_user(options), Action.REVEAL)
            return review.describe_in_full(review.find_pair(int(name), tell_names=tell_names))
        return review.describe_parts(find_facility(name))

    def _merge(self, options: dict[str, Any]) -> int:
        choices = dict(choice.partition("=")[::2] for choice in options["choose"])
        order = decisions.MergeOrder(self._codes(options), keep=options["keep"], choices=choices)
        return self._report(decisions.merge(order, user=_user(options), dry_run=options["dry_run"]), options)

    def _separate(self, options: dict[str, Any]) -> int:
        codes = self._codes(options)
        return self._report(decisions.separate(codes, user=_user(options), dry_run=options["dry_run"]), options)

    def _split(self, options: dict[str, Any]) -> int:
        first, *others = options["names"] or [""]
        if not first or not all(_is_number(other) for other in others):
            raise DecisionError("name a pair, or a code and the numbers of the records to take out of it")
        code, records = first, [int(other) for other in others]
        if _is_number(first) and not records:
            code, records = review.part_to_split(review.find_pair(int(first)))
        return self._report(decisions.split(code, records, user=_user(options), dry_run=options["dry_run"]), options)

    def _codes(self, options: dict[str, Any]) -> tuple[str, ...]:
        names = options["names"]
        if not names:
            raise DecisionError("name the number of a pair, or two codes or more")
        return tuple(
            code
            for name in names
            for code in (review.codes_of(review.find_pair(int(name))) if _is_number(name) else (name,))
        )

    def _report(self, decided: decisions.Decided, options: dict[str, Any]) -> int:
        return self._print(decided.as_json(), decision_in_lines(decided.as_json()), options)

    def _print(self, found: Any, lines: Iterable[str], options: dict[str, Any]) -> int:
        self.stdout.write(json.dumps(found, indent=1) if options["json"] else "\n".join(lines))
        return 0


def _is_number(name: str) -> bool:
    """Return whether a name is the number of a pair or a record, not a code."""
    return name.isdecimal() and len(name) <= LONGEST_NUMBER


def _user(options: dict[str, Any]) -> User:
    """Return whose decision it is; raises DecisionError for an unknown name."""
    if not options["by"]:
        return User.import_user()
    user = User.objects.filter(username=options["by"]).first()
    if user is None:
        raise DecisionError(f"there is no user '{options['by'][:50]}'")
    return user
