"""Logins that are locked after wrong passwords: tries wait for one another, and the locked one gets a page that helps."""

from datetime import timedelta
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.helpers import get_cool_off
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.client_address import client_address


class LockoutBackend(AxesStandaloneBackend):
    """Refuses a locked login before its password is looked at; logs nobody in itself."""

    def authenticate(self, request: HttpRequest, username: str | None = None, **credentials: Any) -> None:
        """Return None, for the next backend to decide, or raise where this name is locked for this address."""
        # Tries at once would all be let through before the first of them is counted: each waits for the one before.
        with connection.cursor() as cursor:
            cursor.execute(_WAIT_FOR_TURN, [f"login {client_address(request)} {username}"])
        super().authenticate(request, username, **credentials)


# until the end of the transaction that every writing request is (core/middleware.py)
_WAIT_FOR_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def answer_locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """Return the page (429) that says how long the login is closed and what to do; it says nothing of the name."""
    closed_for = get_cool_off(request) or timedelta(0)
    page = render(request, "locked_out.html", {"minutes": int(closed_for.total_seconds() // 60)}, status=429)
    page["Retry-After"] = str(int(closed_for.total_seconds()))
    return page
