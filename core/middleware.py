"""What surrounds every request: those that no page can answer, and who changes what in those that write."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

from core.access import Result, log_access
from core.audit import acting

_READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
View = Callable[..., HttpResponse]


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that answers 400 to a query with a NUL character, which PostgreSQL's text cannot hold."""

    def answer(request: HttpRequest) -> HttpResponse:
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return HttpResponseBadRequest("The address holds a NUL character.")
        return get_response(request)

    return answer


def in_own_transactions[V: View](view: V) -> V:
    """Mark a view that starts runs: each of their batches is a transaction, and says itself who writes."""
    view.starts_runs = True  # type: ignore[attr-defined] # read by ActingRequests
    return view


def note_refusals(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that writes every refused page of a logged-in user to the access log."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        user = getattr(request, "user", None)
        if response.status_code == HTTPStatus.FORBIDDEN and user is not None and user.is_authenticated:
            log_access(user, f"open {request.method}"[:30], request.path, Result.DENIED, request=request)
        return response

    return answer


class ActingRequests:
    """A request that may write is one transaction, and the audit trail gives its changes to its user and to its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Answer a writing request inside its transaction; an error in the view rolls it back."""
        if request.method in _READING or getattr(view, "starts_runs", False):
            return None
        with acting(request.user.pk, f"request:{uuid4().hex}"):
            return view(request, *args, **kwargs)
