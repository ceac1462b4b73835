"""manage.py load_geography: the reference data that imports resolve against."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from facilities.loading import load_lookups
from geography.loading import load_geography


class Command(BaseCommand):
    help = "Load counties, constituencies, wards, aliases and lookups from fixtures/. Idempotent."

    def handle(self, **_: Any) -> None:
        counts = load_geography(settings.FIXTURES_DIR) | load_lookups(settings.FIXTURES_DIR / "lookups.json")
        self.stdout.write(", ".join(f"{count} {table.replace('_', ' ')}" for table, count in counts.items()))
