"""The page of rejects grouped by rule, and what it does with all of a rule at once."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.key_guard import KeysDoNotFitError
from core.models import User
from core.roles import Action, may
from etl.errors import EtlError
from etl.rejects import RejectFilter, discard, find, replay
from etl.rejects_by_rule import rejects_by_rule
from etl.rule_words import words_of
from etl.run_text import link_to_run

TEMPLATE = "admin/etl/sourcerecordversion/by_rule.html"
CONFIRM = "admin/etl/sourcerecordversion/confirm_discard.html"
MOST_REPLAYED = 1000  # in one request; the command line replays them all


def rejects_page(request: HttpRequest, context: Mapping[str, Any]) -> HttpResponse:
    """Answer with the open rejects by rule; a POST replays or discards those of one rule."""
    if not may(request.user, Action.READ):
        raise PermissionDenied
    if request.method == "POST":
        return _act(request, context)
    content = {
        "title": "Rejects",
        "blocks": rejects_by_rule(),
        "may_act": may(request.user, Action.TRANSFORM),
    }
    return TemplateResponse(request, TEMPLATE, {**context, **content})


def _act(request: HttpRequest, context: Mapping[str, Any]) -> HttpResponse:
    what, rule = request.POST.get("do", ""), request.POST.get("rule", "").replace("\0", "")
    if not may(request.user, Action.TRANSFORM) or what not in {"replay", "discard"} or not rule:
        raise PermissionDenied
    assert isinstance(request.user, User)
    wanted = RejectFilter(rule=rule)
    if what == "discard" and request.POST.get("sure") != "yes":
        asked = {"title": "Discard rejects", "rule": rule, "words": words_of(rule), "count": find(wanted).count()}
        return TemplateResponse(request, CONFIRM, {**context, **asked})
    if what == "discard":
        count = discard(wanted, user=request.user)
        messages.success(request, f"{count} rejects of {rule} discarded.")
    else:
        tell_replayed(request, wanted)
    return HttpResponseRedirect(request.path)


def tell_replayed(request: HttpRequest, wanted: RejectFilter) -> None:
    """Replay rejects, as many as a request may, and tell the person what came of it."""
    assert isinstance(request.user, User)
    try:
        numbers = tuple(find(wanted).values_list("source_record", flat=True)[:MOST_REPLAYED])
        if not numbers:
            messages.warning(request, "No reject waits under this rule any more.")
            return
        summary = replay(RejectFilter(ids=numbers, state=wanted.state), user=request.user)
    except (EtlError, KeysDoNotFitError) as error:
        messages.error(request, str(error))
        return
    told = replay_told(summary)
    left = find(wanted).count() if len(numbers) == MOST_REPLAYED else 0
    more = f" {left} of this rule are open: replay again, or use the command line." if left else ""
    level = messages.SUCCESS if summary["totals"]["read"] > summary["totals"]["rejected"] else messages.WARNING
    messages.add_message(request, level, format_html("{}{}", told, more))


def replay_told(summary: Mapping[str, Any]) -> SafeString:
    """Return what came of a replay in one line, with the way to its run."""
    totals = summary["totals"]
    loaded = totals["read"] - totals["rejected"]
    text = "{}: {} replayed, {} loaded, {} still rejected."
    return format_html(text, link_to_run(summary["run"]), totals["read"], loaded, totals["rejected"])
