"""The page of contacts to call again, and the button that says that somebody answered."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from core.access import log_access
from core.models import User
from core.roles import Action, may
from facilities.models import ServiceCategory
from facilities.shown_contacts import show
from facilities.stale_contacts import count_confidential, stale_contacts
from facilities.verifying import find_seen, seen, verify
from geography.models import County

PER_PAGE = 50
TEMPLATE = "admin/facilities/facility/stale_contacts.html"


def stale_page(request: HttpRequest, context: Mapping[str, Any]) -> HttpResponse:
    """Answer with a page of stale contacts; that somebody sees them whole is written down."""
    if not may(request.user, Action.READ):
        raise PermissionDenied
    may_call = may(request.user, Action.WRITE)
    county, service = (request.GET.get(name, "").strip() for name in ("county", "service"))
    pages = Paginator(stale_contacts(county=county, service=service), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    rows = [(contact, show(contact, whole=may_call), seen(contact)) for contact in page]
    personal = sum(shown.is_personal for _, shown, _ in rows)
    if may_call and personal:
        log_access(request.user, "see", "stale contacts personal", request=request, count=personal)
    content = {
        "title": "Stale contacts",
        "rows": rows,
        "page": page,
        "page_numbers": pages.get_elided_page_range(page.number),
        "days": settings.CONTACT_STALE_DAYS,
        "county": county,
        "service": service,
        "counties": County.objects.all(),
        "services": ServiceCategory.objects.order_by("category_name"),
        "confidential": count_confidential(county=county),
        "may_call": may_call,
    }
    answer = TemplateResponse(request, TEMPLATE, {**context, **content})
    answer["Cache-Control"] = "no-store, private"
    return answer


def verify_view(request: HttpRequest) -> HttpResponse:
    """Mark the contact that a button names as verified, and lead back to where the button was."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may(request.user, Action.WRITE):
        raise PermissionDenied
    assert isinstance(request.user, User)
    named, _, method = request.POST.get("verify", "").partition(":")
    contact = find_seen(named)
    if contact and contact.facility.is_confidential:
        contact = None  # its protected page does it
    if contact is None:
        messages.error(request, "Nothing was marked: this contact was changed or taken away meanwhile.")
    else:
        try:
            verify(contact, method, user=request.user)
        except ValidationError as error:
            messages.error(request, f"Nothing was marked: {error.messages[0]}")
        else:
            messages.success(request, f"Marked as verified: the {contact.contact_type} of {contact.facility}.")
    return HttpResponseRedirect(_way_back(request))


def _way_back(request: HttpRequest) -> str:
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return back if back and is_ours else reverse("admin:facilities_facility_stale_contacts")
