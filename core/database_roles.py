"""The database roles: the owner migrates, the application reads and writes rows, and only reads the audit trail.

DATABASE_URL names the application role, DATABASE_OWNER_URL the owner. The embedded server has both: its superuser is the
owner, and connections take the role gvrc_app. With DATABASE_URL alone both are one, and the trail is not protected.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from core.audit import install_triggers
from core.reading_role import grant_reading
from core.statistics import FUNCTION

log = structlog.get_logger(__name__)

_GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
REVOKE ALL ON {read_only} FROM {role};
REVOKE ALL ON SEQUENCE audit_trail_audit_id_seq FROM {role};
GRANT SELECT ON {read_only} TO {role};
GRANT EXECUTE ON FUNCTION seal_audit_images(jsonb), refresh_statistics() TO {role};
"""
_GRANTS_ON_ACCESS_LOG = "REVOKE UPDATE, DELETE, TRUNCATE ON access_log FROM {role}"
# the owner's to write
_READ_ONLY = ("audit_trail", "django_migrations", "key_checks")


@contextmanager
def as_owner() -> Iterator[None]:
    """Let the default connection be the owner's until the block ends; not possible inside a transaction."""
    owner = owner_settings()
    if owner is None:
        yield
        return
    with _connected_with(owner):
        yield


@contextmanager
def as_owner_of(database: str) -> Iterator[None]:
    """Let the default connection be the owner's on this database of the server until the block ends.

    It has no pool, and no statement is too long for it. Not possible inside a transaction.
    """
    changed = {"OPTIONS": connection.settings_dict["OPTIONS"]} | (owner_settings() or {}) | {"NAME": database}
    changed["OPTIONS"] = {**changed["OPTIONS"], "pool": False, "options": "-c statement_timeout=0"}
    with _connected_with(changed):
        yield


def owner_settings() -> dict[str, Any] | None:
    """Return the connection settings that the owner has instead of the application role; None where both are one."""
    if "EMBEDDED_DATA_DIR" in connection.settings_dict:
        options = connection.settings_dict["OPTIONS"]
        return {"OPTIONS": options | {"assume_role": None}} if options.get("assume_role") else None
    owner: dict[str, Any] = settings.DATABASE_OWNER
    same = all(connection.settings_dict[name] == owner.get(name) for name in ("USER", "HOST", "PORT"))
    return None if not owner or same else {name: owner[name] for name in ("USER", "PASSWORD", "HOST", "PORT")}


def disconnect() -> None:
    """Close the default connection and its pool."""
    connection.close()
    # asked for its pool, Django would make one first, and the embedded server a database
    if connection.alias in connection._connection_pools:  # type: ignore[attr-defined] # noqa: SLF001 - of the PostgreSQL backend
        connection.close_pool()  # type: ignore[attr-defined] # of the PostgreSQL backend


@contextmanager
def _connected_with(changed: dict[str, Any]) -> Iterator[None]:
    """Let the default connection have other settings until the block ends."""
    if connection.in_atomic_block:
        message = "neither the role nor the database can change inside a transaction"
        raise RuntimeError(message)
    before = {name: connection.settings_dict[name] for name in changed}
    disconnect()
    connection.settings_dict.update(changed)
    try:
        yield
    finally:
        disconnect()
        connection.settings_dict.update(before)


def apply_rules(**_: Any) -> None:
    """Create the audit triggers and both roles' rights anew; called after every migration, by the owner."""
    tables = connection.introspection.table_names()
    if "audit_trail" not in tables:
        return  # its migration is undone, or not yet applied
    install_triggers()
    with connection.cursor() as cursor:
        cursor.execute(FUNCTION)
    grant_reading(tables)
    role = settings.DATABASE_APPLICATION_ROLE
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (user,) = cursor.fetchone() or ("",)
        if role == user:
            log.warning("one database role for everything", code="roles-not-apart", remedy="set DATABASE_OWNER_URL")
            return
        quoted = connection.ops.quote_name(role)
        read_only = ", ".join(name for name in _READ_ONLY if name in tables)
        cursor.execute(_GRANTS.format(role=quoted, read_only=read_only))
        if "access_log" in tables:
            cursor.execute(_GRANTS_ON_ACCESS_LOG.format(role=quoted))
