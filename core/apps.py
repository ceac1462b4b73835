from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from core import checks, lookups  # noqa: F401 - registers them
from core.crypto import check_key_settings
from core.database_roles import apply_rules
from core.error_tracking import start_tracking
from core.roles import keep_roles


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        from core.health import add_checks  # noqa: PLC0415 - models are known by now
        from core.health_checks import CHECKS  # noqa: PLC0415
        from core.key_guard import guard_connection, install_key_check  # noqa: PLC0415

        check_key_settings()
        start_tracking(settings.SENTRY_DSN)
        connection_created.connect(guard_connection)
        add_checks(CHECKS)
        post_migrate.connect(apply_rules, sender=self)
        post_migrate.connect(keep_roles, sender=self)
        post_migrate.connect(install_key_check, sender=self)
