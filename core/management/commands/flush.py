"""manage.py flush, as the owner of the tables: the application role may not empty them."""

from typing import Any

from django.core.management.commands import flush

from core.database_roles import as_owner


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        with as_owner():
            super().handle(**options)
