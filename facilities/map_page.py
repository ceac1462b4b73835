"""The map of the facility list: what the list shows, through the very same filters and search."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe
from unfold.admin import ModelAdmin

from core.roles import Action, may
from facilities.map import confidential_places, county_labels, points, tally, types
from facilities.models import Facility

_NOT_PLACED = {"has_coordinates": "no", "is_confidential__exact": "0"}


@require_safe
def map_page(request: HttpRequest, page: ModelAdmin, context: Mapping[str, Any]) -> HttpResponse:
    """Answer with the map; its points come by map_points, so that the page is there at once."""
    try:
        listed = _listed(request, page)
    except IncorrectLookupParameters:
        return HttpResponseRedirect(request.path)
    confidential = confidential_places()
    content = {
        "title": "Map",
        "narrowed_by": _narrowed_by(listed),
        "query": listed.get_query_string(),
        "query_not_placed": listed.get_query_string(_NOT_PLACED),
        "tally": tally(listed.queryset),
        "counties": county_labels(confidential),
        "confidential": confidential,
        "is_empty": not Facility.objects.exists(),
        "may_add": may(request.user, Action.WRITE),
    }
    return TemplateResponse(request, "admin/facilities/facility/map.html", {**context, **content})


@require_safe
def map_points(request: HttpRequest, page: ModelAdmin) -> HttpResponse:
    """Answer with the points of the filter in the address, and what their types are called."""
    try:
        listed = _listed(request, page)
    except IncorrectLookupParameters:
        return JsonResponse({"error": "this filter cannot be read"}, status=400)
    return JsonResponse({"types": types(), "points": points(listed.queryset)})


def _listed(request: HttpRequest, page: ModelAdmin) -> ChangeList:
    """Return the facility list as it would answer this address; raises PermissionDenied for whoever may not see it."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    query = request.GET.copy()
    query.pop(PAGE_VAR, None)  # the map is of all pages
    request.GET = query  # type: ignore[assignment] # immutable by habit, not by need
    return page.get_changelist_instance(request)


def _narrowed_by(listed: ChangeList) -> list[str]:
    """Return what the list is narrowed by, in words. Not the text of a search: it may be a name that stays unsaid."""
    chosen = [
        f"{spec.title}: {choice['display']}"
        for spec in listed.filter_specs
        for choice in list(spec.choices(listed))[1:]  # the first one is "All"
        if choice.get("selected") and "display" in choice
    ]
    return [*chosen, *(["a search"] if listed.query else [])]
