"""The review queue in the browser: pairs by score, two places side by side, and the buttons that decide."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.decorators import display

from core.access import log_access
from core.admin_pages import ReadOnlyAdmin
from core.key_guard import KeysDoNotFitError
from core.middleware import in_own_transactions
from core.models import User
from core.roles import Action, may
from etl import any_two, decisions, review
from etl.codes import find_facility
from etl.errors import DecisionError, EtlError
from etl.models import DuplicatePair, SourceRecord

STATES = {"to_review": "open", "merged": "one place", "separate": "two places"}


@admin.register(DuplicatePair)
class DuplicatePairAdmin(ReadOnlyAdmin):
    list_display = ["one", "other", "county", "score_label", "reason", "state", "decided_by"]
    list_display_links = ["one", "other"]
    list_filter = ["decision", "first__facility__county"]
    list_filter_sheet = False
    list_select_related = ["first__facility__county", "second__facility__county", "decided_by"]
    search_fields = ["first__facility__facility_code", "second__facility__facility_code"]  # and names, see below
    search_help_text = "Name or facility code"
    empty_text = "No pair of this selection: an import adds those that may be one, decided ones have another state."
    show_full_result_count = False
    ordering = ["-score", "pair_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DuplicatePair]:
        """Return the pairs that this person may know of: a confidential place beside an open one tells its name."""
        pairs = super().get_queryset(request)
        return pairs if may(request.user, Action.REVEAL) else pairs.exclude(review.tells_a_name())

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return may(request.user, Action.TRANSFORM)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DuplicatePair], search_term: str
    ) -> tuple[QuerySet[DuplicatePair], bool]:
        """Return the pairs with this code or name; a confidential place is not found by its name."""
        by_code, has_doubles = super().get_search_results(request, queryset, search_term)
        if not search_term:
            return by_code, has_doubles
        one, other = (
            Q(
                **{
                    f"{side}__facility__facility_name__icontains": search_term,
                    f"{side}__facility__is_confidential": False,
                }
            )
            for side in ("first", "second")
        )
        return by_code | queryset.filter(one | other), has_doubles

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer with the queue; without a filter, with what is open."""
        if not request.GET and request.method == "GET":
            request.GET = request.GET.copy()  # type: ignore[assignment] # a mutable copy serves as well
            request.GET["decision__exact"] = "to_review"  # type: ignore[misc]
            request.META["QUERY_STRING"] = request.GET.urlencode()
        return super().changelist_view(request, {"title": "Possible duplicates", **(extra_context or {})})

    @in_own_transactions
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer with the two places side by side; a POST decides about them."""
        pair = self.get_object(request, unquote(object_id))
        if pair is None or not self.has_view_permission(request, pair):
            return super().change_view(request, object_id, form_url, extra_context)  # says so, as every page does
        return self._answer(request, pair, extra_context or {})

    def get_urls(self) -> list[Any]:
        page = self.own_view(self.compare_view)
        return [path("compare/", page, name="etl_duplicatepair_compare"), *super().get_urls()]

    @in_own_transactions
    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with any two facilities side by side, by their codes; a POST decides about them.

        A confidential place beside any other one tells where it lies and what it is called: only safeguarding compares it.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            one, other = (find_facility(request.GET.get(side, "")) for side in ("one", "other"))
            if one.is_confidential or other.is_confidential:
                if not may(request.user, Action.REVEAL):
                    raise PermissionDenied
                log_access(request.user, "compare", f"{one.facility_code} {other.facility_code}", request=request)
            pair, why = any_two.pair_of(one, other)
        except EtlError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:facilities_facility_changelist"))
        known = any_two.known_between(one, other)
        extra = {"title": "Compare two facilities", "why": why, "known": known, "state": "not in the queue"}
        return self._answer(request, pair, extra)

    def _answer(self, request: HttpRequest, pair: DuplicatePair, extra: dict[str, Any]) -> HttpResponse:
        if request.method != "POST":
            return self._show(request, pair, extra)
        if not self.has_decide_permission(request) or "decision" not in request.POST:
            raise PermissionDenied  # pairs are decided about, never edited
        try:
            if request.POST["decision"] == "preview":
                return self._show(request, pair, extra | self._preview(request, pair))
            decided = self._decide(request, pair)
        except (EtlError, KeysDoNotFitError) as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        self.message_user(request, _with_way_back(decided, pair), messages.SUCCESS)
        return HttpResponseRedirect(self._next_page(pair))

    def _preview(self, request: HttpRequest, pair: DuplicatePair) -> dict[str, Any]:
        """Return what the merge that the form asks for would make: the values of the one facility, by field."""
        assert isinstance(request.user, User)
        _refuse_nul(request)
        order = _order(request, pair)
        decided, said = decisions.rehearse_merge(order, user=request.user, look=review.say)
        return {
            "merged": {name: value for name, _, value in said},
            "would_stay": decided.facilities[0],
            "warnings": decided.warnings,
            "chosen": {name: side for name, side in request.POST.items() if name.startswith("choose_")},
        }

    def _show(self, request: HttpRequest, pair: DuplicatePair, extra: dict[str, Any]) -> HttpResponse:
        comparison = review.compare(pair)
        if not self.has_decide_permission(request):
            comparison = review.without_addresses(comparison)
        elif any(line.field == "address" and (line.one or line.other) for line in comparison.lines):
            log_access(request.user, "see", f"pair:{pair.pk} addresses", request=request)
        following = _next_open(pair) if pair.pk else None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Pair {pair.pk}",
            "kept": extra.get("would_stay", ""),
            "opts": self.opts,
            "pair": pair,
            "state": STATES[pair.decision],
            "comparison": comparison,
            "rows": list(_rows(comparison, extra.get("merged", {}), extra.get("chosen", {}))),
            "sides": review.sides_of(comparison),
            "split_text": review.split_text(pair) if comparison.one and not comparison.can_be_merged else "",
            "can_decide": self.has_decide_permission(request),
            "seen": _seen(pair),
            "next_pair": following.pk if following else None,
            **extra,
        }
        return TemplateResponse(request, "admin/etl/duplicatepair/review.html", context)

    def _decide(self, request: HttpRequest, pair: DuplicatePair) -> str:
        assert isinstance(request.user, User)
        what = request.POST.get("decision", "")
        if what not in {"merge", "separate", "split"}:
            raise DecisionError("choose what to do: merge, not a duplicate, or split")
        _refuse_nul(request)
        if request.POST.get("seen", "") != _seen(pair):
            raise DecisionError("somebody decided about these since you opened the page: look again")
        if what == "split":
            code, records = review.part_to_split(pair)
            decided = decisions.split(code, records, user=request.user)
            return f"Run {decided.run}: {', '.join(decided.restored)} taken out of {decided.facilities[0]}."
        codes = review.codes_of(pair)
        if what == "separate":
            decided = decisions.separate(codes, user=request.user)
            return f"Run {decided.run}: {' and '.join(codes)} are told apart for good."
        decided = decisions.merge(_order(request, pair), user=request.user)
        warned = f" But {'; '.join(decided.warnings)}." if decided.warnings else ""
        return f"Run {decided.run}: {', '.join(decided.retired)} merged into {decided.facilities[0]}.{warned}"

    def _next_page(self, pair: DuplicatePair) -> str:
        if pair.pk is None:
            return reverse("admin:facilities_facility_changelist")
        following = _next_open(pair)
        if following:
            return reverse("admin:etl_duplicatepair_change", args=[following.pk])
        return reverse("admin:etl_duplicatepair_changelist")

    @display(description="One")
    def one(self, pair: DuplicatePair) -> str:
        return f"{_name(pair.first)} ({pair.first.source})"

    @display(description="Other")
    def other(self, pair: DuplicatePair) -> str:
        return f"{_name(pair.second)} ({pair.second.source})"

    @display(description="County")
    def county(self, pair: DuplicatePair) -> str:
        counties = (record.facility.county.county_name for record in (pair.first, pair.second) if record.facility)
        return " / ".join(dict.fromkeys(counties))

    @display(description="Score", ordering="score")
    def score_label(self, pair: DuplicatePair) -> str:
        return f"{pair.score:.2f}"

    @display(
        description="State",
        label={"open": "warning", "one place": "success", "two places": "info"},
        ordering="decision",
    )
    def state(self, pair: DuplicatePair) -> str:
        return STATES[pair.decision]


def _refuse_nul(request: HttpRequest) -> None:
    """Raise DecisionError for a form that no column could hold."""
    if any("\0" in text for texts in request.POST.lists() for text in (texts[0], *texts[1])):
        raise DecisionError("the form holds a NUL character")


def _with_way_back(decided: str, pair: DuplicatePair) -> str:
    """Return what was decided, with a link to the pair: the page goes on to the next one."""
    if pair.pk is None:
        return decided
    address = reverse("admin:etl_duplicatepair_change", args=[pair.pk])
    return format_html('{} <a class="underline" href="{}">Look at it, or take it back</a>', decided, address)


def _order(request: HttpRequest, pair: DuplicatePair) -> decisions.MergeOrder:
    """Return the merge that the form asks for."""
    codes = review.codes_of(pair)
    code_of = dict(zip(("one", "other"), codes, strict=True))
    choices = {
        name.removeprefix("choose_"): code_of[side]
        for name, side in request.POST.items()
        if name.startswith("choose_") and side in code_of
    }
    return decisions.MergeOrder(codes, keep=request.POST.get("keep", ""), choices=choices)


def _rows(
    comparison: review.Comparison, merged: Mapping[str, str], chosen: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield the lines that say anything, with what a merge would make of each, and which side was chosen before."""
    for line in comparison.lines:
        if line.one or line.other:
            side = chosen.get(f"choose_{line.field}", "")
            cells = [{**cell, "is_chosen": cell["side"] == side} for cell in line.cells]
            yield {"line": line, "cells": cells, "merged": merged.get(line.field, "")}


def _seen(pair: DuplicatePair) -> str:
    """Return what a page showed: the facilities that the records stand for, and what was decided."""
    codes = (record.facility.facility_code if record.facility else "-" for record in (pair.first, pair.second))
    return " ".join((*codes, pair.decision))


def _name(record: SourceRecord) -> str:
    return record.facility.facility_name if record.facility else review.NO_FACILITY


def _next_open(pair: DuplicatePair) -> DuplicatePair | None:
    """Return the open pair that comes after this one in the queue, or its first."""
    queue = review.find_pairs().exclude(pk=pair.pk)
    return queue.filter(score__lte=pair.score).first() or queue.first()
