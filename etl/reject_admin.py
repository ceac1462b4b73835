"""Rejects in the browser: by rule, replayed or discarded."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin
from core.key_guard import KeysDoNotFitError
from core.middleware import in_own_transactions
from core.models import User
from core.roles import Action, may
from etl.errors import EtlError
from etl.models import SourceRecordVersion
from etl.record_admin import findings_list_of
from etl.rejects import STATES, RejectFilter, discard, find_waiting, replay
from etl.run_admin import STATUS_COLOURS


class RuleFilter(SimpleListFilter):
    title = "rule"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        rows = SourceRecordVersion.objects.exclude(findings=[]).values_list("findings", flat=True)[:5000]
        return [(rule, rule) for rule in sorted({finding["rule"] for findings in rows for finding in findings})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SourceRecordVersion]) -> QuerySet[SourceRecordVersion]:  # noqa: ARG002
        return queryset.filter(findings__contains=[{"rule": self.value()}]) if self.value() else queryset


class WaitingFilter(SimpleListFilter):
    """Rejects that would load today: an alias, a lookup or a mapping was mended since."""

    title = "waiting"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [("yes", "Would load today")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SourceRecordVersion]) -> QuerySet[SourceRecordVersion]:  # noqa: ARG002
        return queryset.filter(source_record__in=find_waiting(), state="rejected") if self.value() else queryset


@admin.register(SourceRecordVersion)
class SourceRecordVersionAdmin(ReadOnlyAdmin):
    list_display = ["version", "file", "pointer", "state_label", "rules", "attempts", "run"]
    list_filter = ["state", WaitingFilter, "source_record__source", RuleFilter]
    list_filter_sheet = False
    actions = ["replay_selected", "discard_selected"]
    list_select_related = ["source_record", "source_file", "run"]
    search_fields = ["=source_record__source_record_id"]
    show_full_result_count = False
    fields = ["source_record", "state_label", "run", "file", "pointer", "attempts", "findings_list"]
    readonly_fields = fields

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may(request.user, Action.TRANSFORM)

    @in_own_transactions
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {"title": "Rejects"} if request.GET.get("state__exact") == "rejected" else {}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.action(description="Replay the chosen rejects", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, chosen: QuerySet[SourceRecordVersion]) -> None:
        assert isinstance(request.user, User)
        ids = tuple(chosen.filter(state__in=STATES["all"]).values_list("source_record", flat=True))
        try:
            summary = replay(RejectFilter(ids=ids, state="all"), user=request.user) if ids else None
        except (EtlError, KeysDoNotFitError) as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        if summary is None:
            self.message_user(request, "None of these is a reject; only rejects can be replayed.", messages.WARNING)
            return
        totals = summary["totals"]
        loaded = totals["read"] - totals["rejected"]
        text = f"Run {summary['run']}: {totals['read']} replayed, {loaded} loaded, {totals['rejected']} still rejected."
        self.message_user(request, text, messages.SUCCESS if loaded else messages.WARNING)

    @admin.action(description="Discard the chosen rejects", permissions=["replay"])
    def discard_selected(self, request: HttpRequest, chosen: QuerySet[SourceRecordVersion]) -> None:
        assert isinstance(request.user, User)
        ids = tuple(chosen.filter(state=SourceRecordVersion.State.REJECTED).values_list("source_record", flat=True))
        count = discard(RejectFilter(ids=ids), user=request.user) if ids else 0
        self.message_user(request, f"{count} rejects discarded.", messages.SUCCESS if count else messages.WARNING)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceRecordVersion]:
        return super().get_queryset(request).defer("raw", "standardised")

    @display(description="Record", ordering="source_record_id")
    def version(self, version: SourceRecordVersion) -> str:
        return f"{version.source_record.source} · {version.source_record_id}"  # the number that `rejects` takes

    @display(description="File")
    def file(self, version: SourceRecordVersion) -> str:
        return version.source_file.name

    @display(description="State", label=STATUS_COLOURS, ordering="state")
    def state_label(self, version: SourceRecordVersion) -> str:
        return version.state

    @display(description="Findings")
    def rules(self, version: SourceRecordVersion) -> str:
        words = (f"{f['rule']}: {f['message']}" if f["severity"] == "reject" else f["rule"] for f in version.findings)
        return "; ".join(dict.fromkeys(words))

    @display(description="Findings")
    def findings_list(self, version: SourceRecordVersion) -> SafeString | str:
        return findings_list_of(version)
