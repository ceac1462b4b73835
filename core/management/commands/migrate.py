"""manage.py migrate, as the owner of the tables: the application role may not change them."""

from typing import Any

from django.core.management.commands import migrate

from core.database_roles import as_owner


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with as_owner():
            super().handle(*args, **options)
