"""manage.py runserver: Django's, which refuses wrong keys before its reloader starts."""

from typing import Any

from django.contrib.staticfiles.management.commands import runserver

from core.key_guard import check_at_start


class Command(runserver.Command):
    def run(self, **options: Any) -> None:
        check_at_start()
        super().run(**options)
