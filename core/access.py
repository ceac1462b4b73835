"""The access log: every decision about personal and protected values, exports and imports is written down."""

import getpass
import socket
from typing import Any

from django.http import HttpRequest

from core.client_address import UNKNOWN, client_address
from core.models import AccessLog, User

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


def _address(request: HttpRequest | None) -> str | None:
    address = client_address(request) if request else UNKNOWN
    return None if address == UNKNOWN else address
