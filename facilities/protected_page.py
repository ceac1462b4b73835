"""The page of a confidential place's protected values: reveal one, set one, ask to lower its class."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from core.access import log_access
from core.approvals import ApprovalError, Kind, State, ask, may_ask
from core.crypto import CANNOT_BE_READ
from core.models import Approval, User
from core.roles import Action, may
from core.row_numbers import row_number
from facilities.corrections import COLUMNS, WARD, add_contact, correct, take_contact_away
from facilities.models import ContactType, Facility, FacilityContact
from facilities.pin_targets import POSITION
from facilities.protection import SealedError
from facilities.reveal import LABELS, RevealError, recorded, reveal
from facilities.verifying import METHODS, verified_text, verify

ContactForm = type[forms.ModelForm]  # type: ignore[type-arg] # stubs make it generic, Django does not


def protected_page(
    request: HttpRequest, pk: int, context: Mapping[str, Any], contact_form: ContactForm
) -> HttpResponse:
    """Answer a visit, or do what was asked for and show what came of it; the page is kept nowhere."""
    facility = Facility.objects.with_details().filter(pk=pk, is_confidential=True).first()
    if facility is None:
        raise Http404
    assert isinstance(request.user, User)
    may_reveal, may_lower = may(request.user, Action.REVEAL), may_ask(request.user, Kind.LOWER_PROTECTION)
    shown, status = None, 200
    if request.method == "POST":
        shown, status = _act(request, facility, contact_form)
    elif not (may_reveal or may_lower):
        raise PermissionDenied
    open_requests = Approval.objects.filter(kind=Kind.LOWER_PROTECTION, state=State.OPEN)
    content = {
        "title": f"Protected: {facility.facility_code}",
        "facility": facility,
        "recorded": recorded(facility) if may_reveal else {},
        "settable": {name: LABELS[name] for name in (*COLUMNS, WARD, POSITION)},
        "contacts": {key: label for key, label in recorded(facility).items() if key.startswith("contact:")},
        "verifications": _verifications(facility) if may_reveal else {},
        "methods": METHODS,
        "contact_types": ContactType.objects.order_by("type_name"),
        "may_reveal": may_reveal,
        "may_lower": may_lower,
        "asked": open_requests.filter(subject_id=facility.pk).first(),
        "shown": shown,
    }
    template = "admin/facilities/facility/protected.html"
    answer = TemplateResponse(request, template, {**context, **content}, status=status)
    answer["Cache-Control"] = "no-store, private"
    return answer


def _act(request: HttpRequest, facility: Facility, contact_form: ContactForm) -> tuple[dict[str, str] | None, int]:
    """Return the value to show, if one was asked for, and the answer's status."""
    assert isinstance(request.user, User)
    what, reason = request.POST.get("what", ""), request.POST.get("reason", "")
    if CANNOT_BE_READ in {reason.strip(), request.POST.get("value", "").strip()}:
        messages.error(request, f"Nothing was done: '{CANNOT_BE_READ}' stands for a value that no key opens.")
        return None, 400
    try:
        if request.POST.get("do") == "lower":
            ask(Kind.LOWER_PROTECTION, facility, reason=reason, user=request.user)
            messages.success(request, "Asked. A member of the safeguarding group decides, under Approvals.")
        elif request.POST.get("do") == "set":
            with transaction.atomic():  # what is refused half-way leaves nothing
                _set(request, facility, contact_form)
        elif request.POST.get("do") == "verify":
            _verify(request, facility)
        else:
            value = reveal(facility, what, reason=reason, request=request)
            return {"label": recorded(facility)[what], "value": value}, 200
    except RevealError as error:
        messages.error(request, f"Not shown: {error}.")
        return None, error.status
    except (ApprovalError, ValidationError, SealedError) as error:
        text = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        messages.error(request, f"Nothing was changed: {text}")
        return None, 400
    return None, 200


def _verifications(facility: Facility) -> dict[str, str]:
    """Return by key what each contact is and when it was verified, by whom and how."""
    labels = recorded(facility)
    contacts = {f"contact:{contact.pk}": contact for contact in facility.contacts.select_related("verified_by")}
    return {
        key: f"{label}, verified: {verified_text(contacts[key])}" for key, label in labels.items() if key in contacts
    }


def _verify(request: HttpRequest, facility: Facility) -> None:
    """Mark a contact as verified; raises PermissionDenied for whoever may not see it, and ValidationError."""
    if not may(request.user, Action.REVEAL):
        raise PermissionDenied
    assert isinstance(request.user, User)
    number = request.POST.get("what", "").removeprefix("contact:")
    contact = FacilityContact.objects.filter(facility=facility, pk=row_number(number)).first()
    if contact is None:
        raise ValidationError("Choose a contact that is recorded.")
    verify(contact, request.POST.get("method", ""), user=request.user)
    log_access(
        request.user, "edit", f"facility:{facility.facility_code} contact:{contact.pk} verified", request=request
    )
    messages.success(request, "It is marked as verified.")


def _set(request: HttpRequest, facility: Facility, contact_form: ContactForm) -> None:
    """Set one protected value; raises PermissionDenied for whoever may not see it either."""
    if not may(request.user, Action.REVEAL):
        raise PermissionDenied
    assert isinstance(request.user, User)
    what, value = request.POST.get("what", ""), request.POST.get("value", "")
    kind, _, number = what.partition(":")
    if kind in {"contact", "new"}:
        replaced = facility.contacts.filter(pk=row_number(number)).first() if kind == "contact" else None
        contact_type = replaced.contact_type_id if replaced else number if kind == "new" else ""
        if value.strip() or not replaced:
            form = contact_form({"contact_type": contact_type, "contact_value": value})
            add_contact(facility, form, user=request.user)
        if replaced:
            take_contact_away(replaced, user=request.user)
    else:
        correct(facility, what, value, user=request.user)
    log_access(request.user, "edit", f"facility:{facility.facility_code} {what}", request=request)
    messages.success(request, "It is set, and imports keep it.")
