"""The access log: every decision about personal and protected values, exports and imports is written down."""

import getpass
import socket
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from core.client_address import UNKNOWN, client_address
from core.database_errors import kind_of
from core.models import AccessLog, User

log = structlog.get_logger(__name__)
Result = AccessLog.Result


def log_access(
    user: Any,
    action: str,
    resource: str,
    result: AccessLog.Result = Result.ALLOWED,
    *,
    request: HttpRequest | None = None,
    reason: str = "",
    count: int | None = None,
) -> None:
    """Write one decision; `request` says from where, what a command does says whose shell it was."""
    if request is None and action in {"export", "import", "backup", "restore"}:
        reason = reason or f"a command of {getpass.getuser()} on {socket.gethostname()}"
    AccessLog.objects.create(
        user=user if isinstance(user, User) else None,
        action=action,
        resource=resource[:200],
        result=result,
        reason=reason,
        count=count,
        ip=_address(request),
    )


def note_access(action: str, resource: str, *, count: int) -> None:
    """Write what a command did and cannot take back: where the log cannot be written, that is a warning."""
    try:
        log_access(None, action, resource, count=count)
    except (DatabaseError, InterfaceError) as error:
        log.warning("not noted in the access log", code="access-not-noted", step=action, reason=kind_of(error))


def _address(request: HttpRequest | None) -> str | None:
    address = client_address(request) if request else UNKNOWN
    return None if address == UNKNOWN else address
