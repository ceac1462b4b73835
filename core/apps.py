from django.apps import AppConfig
from django.db.models.signals import post_migrate

from core import checks  # noqa: F401 - registers them
from core.database_roles import apply_rules


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        post_migrate.connect(apply_rules, sender=self)
