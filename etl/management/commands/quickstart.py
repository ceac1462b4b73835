"""manage.py quickstart: what `make demo` runs after installing."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from etl.console import run_with_exit_code
from etl.quickstart import set_up_demo


class Command(BaseCommand):
    help = "Migrate, load reference data, import data/raw, create an admin. Repeatable; refuses a DATABASE_URL."

    def handle(self, **_: Any) -> None:
        sys.exit(run_with_exit_code(lambda: set_up_demo(self.stdout), self.stderr))
