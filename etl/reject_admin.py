"""Rejects in the browser: grouped by rule, one by one, replayed, discarded, or mended by an alias."""

from typing import Any
from uuid import uuid4

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.access import log_access
from core.admin_pages import ReadOnlyAdmin
from core.audit import acting
from core.key_guard import KeysDoNotFitError
from core.middleware import in_own_transactions
from core.models import User
from core.roles import Action, may
from etl.alias_form import AliasForm, alias_form, replay_waiting, save_alias
from etl.errors import EtlError
from etl.models import SourceRecord, SourceRecordVersion
from etl.quality_reporting import lowers
from etl.record_admin import RunFilter, findings_list_of
from etl.reject_list import RejectList
from etl.rejects import STATES, RejectFilter, discard, find_waiting
from etl.rejects_by_rule import known_rules
from etl.rejects_page import rejects_page, tell_replayed
from etl.rule_words import words_of
from etl.run_admin import STATUS_COLOURS
from etl.shown_records import ShownRecord, fields_as_read, read_kinds, show, staged_of


class RuleFilter(SimpleListFilter):
    title = "rule"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        state = request.GET.get("state__exact", "")
        return [(rule, words_of(rule).title or rule) for rule in known_rules(state)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SourceRecordVersion]) -> QuerySet[SourceRecordVersion]:  # noqa: ARG002
        return queryset.filter(findings__contains=[{"rule": self.value()}]) if self.value() else queryset


class MetricFilter(SimpleListFilter):
    """What lowers a metric of the last report: the newest versions of listed records with a finding of its rules."""

    title = "lowers"
    parameter_name = "metric"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [("accuracy", "Accuracy"), ("consistency", "Consistency")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SourceRecordVersion]) -> QuerySet[SourceRecordVersion]:  # noqa: ARG002
        return queryset.filter(lowers(str(self.value()))) if self.value() else queryset


class WaitingFilter(SimpleListFilter):
    """Rejects that would load today: an alias, a lookup or a mapping was mended since."""

    title = "waiting"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [("yes", "Would load today")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SourceRecordVersion]) -> QuerySet[SourceRecordVersion]:  # noqa: ARG002
        return queryset.filter(source_record__in=find_waiting(), state="rejected") if self.value() else queryset


class RejectsOfRunFilter(RunFilter):
    """The rejects that a run's statement counts: of records that it saw last, read anew by it or as they were before."""

    def chosen(self, queryset: QuerySet[SourceRecordVersion], run: int) -> QuerySet[SourceRecordVersion]:
        """Return the rejects of this run."""
        records = SourceRecord.objects.filter(last_seen_run=run, outcome=SourceRecord.Outcome.REJECTED)
        return queryset.filter(pk__in=records.values("latest_version"))


@admin.register(SourceRecordVersion)
class SourceRecordVersionAdmin(ReadOnlyAdmin):
    list_display = ["version", "place", "rules", "file", "state_label", "attempts", "run"]
    list_filter = ["state", WaitingFilter, "source_record__source", RuleFilter, MetricFilter, RejectsOfRunFilter]
    list_filter_sheet = False
    list_per_page = list_max_show_all = 50
    actions = ["replay_selected", "discard_selected"]
    list_select_related = ["source_record__facility", "source_file", "run"]
    search_fields = ["=source_record__source_record_id"]
    show_full_result_count = False
    fields = ["source_record", "what_to_do", "findings_list", "record", "state_label", "run", "file", "attempts"]
    readonly_fields = fields
    change_form_outer_after_template = "admin/etl/sourcerecordversion/alias_form.html"

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may(request.user, Action.TRANSFORM)

    def get_urls(self) -> list[Any]:
        page = self.own_view(self.by_rule_view)
        return [path("by-rule/", page, name="etl_sourcerecordversion_by_rule"), *super().get_urls()]

    @in_own_transactions
    def by_rule_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with the open rejects grouped by rule."""
        return rejects_page(request, self.admin_site.each_context(request) | {"opts": self.opts})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RejectList]:  # noqa: ARG002 - Django's signature
        return RejectList

    @in_own_transactions
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {"title": "Rejects"} if request.GET.get("state__exact") == "rejected" else {}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @in_own_transactions
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer with the reject and what may be shown of its record; a POST says what its place text means."""
        version = self.get_object(request, unquote(object_id))
        if version is None or not self.has_view_permission(request, version):
            return super().change_view(request, object_id, form_url, extra_context)  # says so, as every page does
        form = alias_form(request, version, _shown(version))
        if request.method == "POST" and form is None:
            return super().change_view(request, object_id, form_url, extra_context)  # nobody edits a record
        if request.method == "POST" and form and form.is_valid() and self._mend(request, form, version):
            return HttpResponseRedirect(request.path)
        method, request.method = request.method, "GET"
        answer = super().change_view(request, object_id, form_url, {"alias_form": form, **(extra_context or {})})
        request.method = method
        if form and hasattr(answer, "context_data"):
            answer.context_data["media"] += form.media
        if _shown(version).is_open and may(request.user, Action.WRITE) and _has_street(version):
            log_access(request.user, "see", f"reject:{version.source_record_id} address", request=request)
        return answer

    def _mend(self, request: HttpRequest, form: AliasForm, version: SourceRecordVersion) -> bool:
        """Return whether the alias was saved; what came of it is told."""
        assert isinstance(request.user, User)
        try:
            with acting(request.user.pk, f"request:{uuid4().hex}"):
                save_alias(form)
            self.message_user(request, replay_waiting(form, version, user=request.user), messages.SUCCESS)
        except (EtlError, KeysDoNotFitError) as error:
            self.message_user(request, str(error), messages.ERROR)
        return True

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> SourceRecordVersion | None:
        """Return the version with what may be shown of it, and of its raw record only where it is open."""
        version: SourceRecordVersion | None = super().get_object(request, object_id, from_field)
        if version:
            version.shown = show(version, read_kinds())  # type: ignore[attr-defined] # as on a list's rows
            version.tells_streets = may(request.user, Action.WRITE)  # type: ignore[attr-defined]
        return version

    @admin.action(description="Replay the chosen rejects", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, chosen: QuerySet[SourceRecordVersion]) -> None:
        ids = tuple(chosen.filter(state__in=STATES["all"]).values_list("source_record", flat=True))
        if ids:
            tell_replayed(request, RejectFilter(ids=ids, state="all"))
        else:
            self.message_user(request, "None of these is a reject; only rejects can be replayed.", messages.WARNING)

    @admin.action(description="Discard the chosen rejects", permissions=["replay"])
    def discard_selected(self, request: HttpRequest, chosen: QuerySet[SourceRecordVersion]) -> None:
        assert isinstance(request.user, User)
        ids = tuple(chosen.filter(state=SourceRecordVersion.State.REJECTED).values_list("source_record", flat=True))
        count = discard(RejectFilter(ids=ids), user=request.user) if ids else 0
        self.message_user(request, f"{count} rejects discarded.", messages.SUCCESS if count else messages.WARNING)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceRecordVersion]:
        return super().get_queryset(request).select_related(*self.list_select_related).defer("raw")

    @display(description="Record", ordering="source_record_id")
    def version(self, version: SourceRecordVersion) -> str:
        return f"{version.source_record.source} · {version.source_record_id}"  # the number that `rejects` takes

    @display(description="Place")
    def place(self, version: SourceRecordVersion) -> str:
        return _shown(version).place

    @display(description="File and position", ordering="source_file__name")
    def file(self, version: SourceRecordVersion) -> str:
        return f"{version.source_file.name} {_shown(version).pointer}"

    @display(description="State", label=STATUS_COLOURS, ordering="state")
    def state_label(self, version: SourceRecordVersion) -> str:
        return version.state

    @display(description="What is wrong")
    def rules(self, version: SourceRecordVersion) -> str:
        found = _shown(version).findings
        words = (f"{f['rule']}: {f['message']}" if f["severity"] == "reject" else f["rule"] for f in found)
        return "; ".join(dict.fromkeys(words))

    @display(description="What to do")
    def what_to_do(self, version: SourceRecordVersion) -> SafeString | str:
        if version.state not in STATES["all"]:
            return "Nothing: this version is no reject, or no longer one."
        rules = dict.fromkeys(f["rule"] for f in version.findings if f["severity"] == "reject")
        rows = ((words.means, words.to_do) for words in map(words_of, rules))
        return format_html_join("", "<p>{} {}</p>", rows)

    @display(description="What is wrong")
    def findings_list(self, version: SourceRecordVersion) -> SafeString | str:
        return findings_list_of(_shown(version).findings)

    @display(description="What it says")
    def record(self, version: SourceRecordVersion) -> SafeString | str:
        """Return the fields that the source wrote, masked; nothing of a record that is not known to be open."""
        shown = _shown(version)
        if not shown.is_open:
            return f"It is {shown.place}: what it says is protected."
        fields = fields_as_read(version, tells_streets=version.tells_streets)  # type: ignore[attr-defined]
        rows = format_html_join(
            "",
            '<tr><th scope="row" class="align-top font-normal pr-3 py-1 text-left whitespace-nowrap">{}</th>'
            '<td class="break-words py-1">{}</td></tr>',
            fields,
        )
        return format_html('<table class="w-full">{}</table>', rows) if fields else "It says nothing."


def _shown(version: SourceRecordVersion) -> ShownRecord:
    shown: ShownRecord = version.shown  # type: ignore[attr-defined] # set by RejectList, or by get_object()
    return shown


def _has_street(version: SourceRecordVersion) -> bool:
    staged = staged_of(version)
    return bool(staged.address or staged.location_text)
