"""Requests that no page can answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that answers 400 to a query with a NUL character, which PostgreSQL's text cannot hold."""

    def answer(request: HttpRequest) -> HttpResponse:
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return HttpResponseBadRequest("The address holds a NUL character.")
        return get_response(request)

    return answer
