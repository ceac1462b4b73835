"""manage.py load_geography: the reference data that imports resolve against."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from etl.console import offer_replay, run_with_exit_code
from etl.reference import load_reference


class Command(BaseCommand):
    help = "Load counties, constituencies, wards, aliases and lookups from fixtures/. Idempotent."

    def handle(self, **_: Any) -> None:
        code = run_with_exit_code(self._load, self.stderr)
        if code:
            sys.exit(code)

    def _load(self) -> int:
        counts = load_reference(settings.FIXTURES_DIR)
        self.stdout.write(", ".join(f"{count} {table.replace('_', ' ')}" for table, count in counts.items()))
        offer_replay(self.stdout)
        return 0
