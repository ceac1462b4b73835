"""manage.py state_hash: two registries that say the same have the same."""

from typing import Any

from django.core.management.base import BaseCommand

from core.state import state_hash


class Command(BaseCommand):
    help = "Print one SHA-256 over the registry by natural keys: no surrogate ids, no time stamps. On the last line."

    def handle(self, **_: Any) -> None:
        self.stdout.write(state_hash())
