"""The page that a caller's counsellor has open: a service, where, and the nearest places to call."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from core.models import User
from core.roles import Action, may
from facilities.asking import ask_for_help
from facilities.find_help import DEFAULT_LIMIT, MOST, NATIONAL_LINES, Answer
from facilities.help_request import HelpRequestError, read_request
from facilities.models import ServiceCategory
from geography.models import Constituency, County, Ward
from geography.places import Place, code_of, path_of

TEMPLATE = "admin/facilities/facility/find_help.html"


def help_page(request: HttpRequest, context: Mapping[str, Any]) -> HttpResponse:
    """Answer with the form and, once something is asked for, with what was found or what is wrong with it."""
    if not may(request.user, Action.READ):
        raise PermissionDenied
    asked = {name: request.GET.get(name, "").strip() for name in ("county", "ward", "near")}
    services = [code for code in request.GET.getlist("service") if code]
    answer, error, choices = None, "", []
    if services or any(asked.values()):
        try:
            answer = _answer(request, services, asked)
        except HelpRequestError as refused:
            error = refused.lead
            choices = [(path_of(place), _instead(request.GET, place)) for place in refused.candidates]
    content = {
        "title": "Find help",
        "asked": asked,
        "service": services[0] if services else "",
        "services": ServiceCategory.objects.order_by("category_name"),
        "counties": County.objects.all(),
        "names": _names(asked["county"]),
        "answer": answer,
        "error": error[:1].upper() + error[1:],
        "choices": choices,
        "is_masked": not may(request.user, Action.WRITE),
        "national_lines": NATIONAL_LINES,
        "more": _more(request.GET) if answer and len(answer.places) == _limit(request) < MOST else "",
    }
    page = TemplateResponse(request, TEMPLATE, {**context, **content})
    page["Cache-Control"] = "no-store, private"
    return page


def _answer(request: HttpRequest, services: list[str], asked: Mapping[str, str]) -> Answer:
    assert isinstance(request.user, User)
    wanted = read_request(services, **asked, limit=_limit(request))
    return ask_for_help(wanted, user=request.user, request=request)


def _names(county: str) -> list[str]:
    """Return what may be written as a place: a county's wards and constituencies, or all constituencies."""
    if not county:
        return list(Constituency.objects.values_list("constituency_name", flat=True))
    wards = Ward.objects.filter(constituency__county__county_code=county)
    return sorted({name for row in wards.values_list("ward_name", "constituency__constituency_name") for name in row})


def _limit(request: HttpRequest) -> int:
    return MOST if request.GET.get("limit") == str(MOST) else DEFAULT_LIMIT


def _instead(query: QueryDict, place: Place) -> str:
    """Return the same question about a place that may have been meant."""
    other = query.copy()
    if isinstance(place, County):
        other["county"] = code_of(place)
    else:
        other["ward"], other["county"] = (code_of(place), "") if isinstance(place, Ward) else _named(place)
    return other.urlencode()


def _named(place: Constituency) -> tuple[str, str]:
    return place.constituency_name, place.county.county_code


def _more(query: QueryDict) -> str:
    longer = query.copy()
    longer["limit"] = str(MOST)
    return longer.urlencode()
