"""System checks that production must pass; `manage.py check --deploy --database default` runs them all."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from core.environment import keys_in

REMEDY = "make the two roles with deploy/roles.sql, and let DATABASE_URL name the one that owns nothing"

# a superuser, and a member of the owner, can do what the owner can
_OWNED = """
SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
AND pg_has_role(current_user, relowner, 'MEMBER')
"""


def count_owned_tables() -> int:
    """Return how many tables the application role owns: it could take the triggers off them that write the audit trail."""
    with connection.cursor() as cursor:
        cursor.execute(_OWNED)
        (count,) = cursor.fetchone() or (0,)
    return int(count)


@register(Tags.security, Tags.database, deploy=True)
def find_owned_tables(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Return a warning where the application role owns tables."""
    if "default" not in (databases or ()) or not (count := count_owned_tables()):
        return []
    return [
        Warning(f"the application role owns {count} tables: the audit trail is not safe", hint=REMEDY, id="core.W001")
    ]


@register(Tags.security, deploy=True)
def find_missing_backup_key(**_: Any) -> list[CheckMessage]:
    """Return a warning where no backup can be made."""
    if keys_in(settings.BACKUP_KEY):
        return []
    return [Warning("BACKUP_KEY is not set: no backup can be made", hint="see .env.example", id="core.W002")]


def refuse_owned_tables() -> None:
    """Raise ImproperlyConfigured where the application role owns tables; no connection stays open."""
    try:
        if count := count_owned_tables():
            message = f"The application role owns {count} tables, so that the audit trail is not safe: {REMEDY}."
            raise ImproperlyConfigured(message)
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined] # of the PostgreSQL backend; a server that forks must not share it
