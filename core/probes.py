"""/healthz and /readyz: answered before anything else looks at the request, so that a probe by plain http and any Host gets in.

No session is opened, no row is written, no name is locked out; production's redirect to https and ALLOWED_HOSTS come later.
"""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib import import_module

import structlog
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from core.bounded import Lane
from core.health import PATIENCE as LONGEST_SEARCH
from core.health import Report, Status, find_health, is_well

log = structlog.get_logger(__name__)
LIVENESS, READINESS = "/healthz", "/readyz"
KEPT = 2.0  # seconds that an answer is good for: visitors, however many, ask the database no more often
LONGEST = KEPT + 2 * LONGEST_SEARCH  # seconds that an answer is told for while the next one is being found
PATIENCE = 1.0  # seconds to find out who asks; somebody unknown is told less
_METHODS = ("GET", "HEAD")
_staff_lane = Lane()


class AnswerProbes:
    """The middleware, first of all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._latest = Latest()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info.rstrip("/")
        if path not in {LIVENESS, READINESS}:
            return self.get_response(request)
        response = self._answer(request, path)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        if request.method == "HEAD":
            response["Content-Length"] = str(len(response.content))
            response.content = b""
        response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001 - or Django logs each 503: see Latest
        return response

    def _answer(self, request: HttpRequest, path: str) -> HttpResponse:
        if request.method not in _METHODS:
            return HttpResponseNotAllowed(_METHODS)
        if path == LIVENESS:
            return HttpResponse("ok", content_type="text/plain")
        report = self._latest.report()
        shown = dict(report)
        can_tell = report["checks"]["database"]["status"] == Status.HEALTHY
        if not (can_tell and is_asked_by_staff(request)):
            del shown["checks"]
        status = HTTPStatus.OK if is_well(report) else HTTPStatus.SERVICE_UNAVAILABLE
        return JsonResponse(shown, status=status, json_dumps_params={"indent": 1})


class Latest:
    """The latest report, at most KEPT seconds old; one visitor waits for a new one, and the others get the one before.

    Of that they get none that is older than LONGEST: then they wait, too. Else a few visitors would hold every thread of the
    site while the database hangs, and /healthz would not be answered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: Report | None = None
        self._found_at = 0.0
        self._were_ill: list[str] = []

    def report(self) -> Report:
        """Return what was found; the log is told when other checks are ill than before, and not by every probe."""
        before = self._kept_for(LONGEST)
        if not self._lock.acquire(blocking=before is None):
            assert before
            return before
        try:
            return self._kept_for(KEPT) or self._find()
        finally:
            self._lock.release()

    def _kept_for(self, seconds: float) -> Report | None:
        return self._kept if time.monotonic() - self._found_at < seconds else None

    def _find(self) -> Report:
        report = find_health()
        self._kept, self._found_at = report, time.monotonic()
        self._note_change(report)
        return report

    def _note_change(self, report: Report) -> None:
        ill = [name for name, told in report["checks"].items() if told["status"] != Status.HEALTHY]
        if ill != self._were_ill:
            self._were_ill = ill
            log.warning("health changed", code="health-changed", status=str(report["overall_status"]), reason=ill)


def is_asked_by_staff(request: HttpRequest) -> bool:
    """Return whether an active member of staff asks, as far as the database says so at once."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    found: list[bool] = []
    if key:
        _staff_lane.start(lambda: found.append(_is_staff(key))).wait(PATIENCE)
    return found == [True]


def _is_staff(session_key: str) -> bool:
    asked = HttpRequest()
    asked.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(asked)
    return user.is_authenticated and user.is_active and user.is_staff
