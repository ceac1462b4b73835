"""Runs in the browser: what each read, what became of it, what it took, and the buttons that replay, undo and repeat it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin, RoleTabularInline
from core.middleware import in_own_transactions
from core.models import User
from core.roles import Action, may
from core.row_numbers import row_number
from etl.models import ImportRun, SourceFile
from etl.quality_reporting import run_report
from etl.run_page import buttons_of, duration_of, effort_of, quality_of, statement_of
from etl.run_requests import ask_again, ask_replay, ask_undo, submit

STATUS_COLOURS = {
    "succeeded": "success", "sound": "success", "loaded": "success", "created": "success",
    "partial": "warning", "pending": "warning", "merged": "info", "updated": "info", "running": "info", "undone": "warning",
    "failed": "danger", "refused": "danger", "rejected": "danger", "interrupted": "danger",
}  # fmt: skip


class SourceFileInline(RoleTabularInline):
    model = SourceFile
    fields = ["source", "name", "status", "records", "size_bytes", "sha256", "error"]
    readonly_fields = fields
    extra = 0
    can_delete = False
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return False


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = [
        "title",
        "kind",
        "status_label",
        "started_at",
        "started_by",
        "duration",
        "records",
        "created",
        "updated",
        "merged",
        "rejected",
        "note",
    ]
    list_filter = ["status", "kind"]
    list_filter_sheet = False
    list_select_related = ["started_by"]
    list_before_template = "admin/etl/importrun/import_now.html"
    change_form_outer_before_template = "admin/etl/importrun/buttons.html"
    date_hierarchy = "started_at"
    inlines = [SourceFileInline]
    fields = [
        "kind",
        "status_label",
        "undone_by",
        "started_at",
        "finished_at",
        "duration",
        "started_by",
        "host",
        "pid",
        "error",
        "statement",
        "rejects",
        "quality_shown",
        "notes",
        "effort",
    ]
    readonly_fields = fields

    class Media:
        css = {"all": ["etl/requests.css"]}
        js = ["etl/watch.js"]

    # pages

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<path:object_id>/status/", self.own_view(self.status_view), name="etl_importrun_status"),
            path("<path:object_id>/report/", self.own_view(self.report_view), name="etl_importrun_report"),
            path("<path:object_id>/ask/", self.own_view(self.ask_view), name="etl_importrun_ask"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        can_import = {"can_import": may(request.user, Action.TRANSFORM)}
        return super().changelist_view(request, {**can_import, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer with the run and what may be done about it."""
        run = self._find(object_id) if self.has_view_permission(request) else None
        buttons = {"run": run, **buttons_of(run, request.user)} if run else {}
        return super().change_view(request, object_id, form_url, {**buttons, **(extra_context or {})})

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with where a run stands as JSON, for the page that waits."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self._find(object_id)
        if run is None:
            raise Http404
        shown = buttons_of(run, request.user)
        return JsonResponse({"state": run.status if not shown["is_dead"] else "dead", "step": shown["step"]})

    def report_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the run's report: one self-contained page, to read, print or save."""
        run = self._find(object_id)
        if run is None or not self.has_view_permission(request, run):
            raise PermissionDenied if run else Http404
        if "totals" not in run.summary:
            self.message_user(request, f"Run {run.pk} left no statement, and so has no report.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:etl_importrun_change", args=[run.pk]))
        return HttpResponse(run_report(run, back=reverse("admin:etl_importrun_change", args=[run.pk])))

    @in_own_transactions
    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask to undo a run, to replay its rejects or to import again; the request's own page asks for confirmation."""
        if not may(request.user, Action.TRANSFORM):
            raise PermissionDenied
        run = self._find(object_id)
        if run is None:
            raise Http404
        back = HttpResponseRedirect(reverse("admin:etl_importrun_change", args=[run.pk]))
        if request.method != "POST":
            return back
        assert isinstance(request.user, User)
        offered = buttons_of(run, request.user)
        what = request.POST.get("what", "")
        if what == "replay" and offered["rejects"]:
            asked = ask_replay(run, user=request.user)
        elif what == "undo" and offered["can_undo"]:
            asked = ask_undo(run, user=request.user)
            submit(asked)
        elif what == "again" and offered["can_import_again"]:
            asked = ask_again(run, user=request.user)
            submit(asked)
        else:
            self.message_user(request, "This run does not offer that any more.", "warning")
            return back
        return HttpResponseRedirect(reverse("admin:etl_runrequest_change", args=[asked.pk]))

    @staticmethod
    def _find(object_id: str) -> ImportRun | None:
        return ImportRun.objects.select_related("undone_by").filter(pk=row_number(unquote(object_id))).first()

    # columns and fields

    @display(description="Run", ordering="run_id")
    def title(self, run: ImportRun) -> str:
        return f"Run {run.pk}"

    @display(description="Status", label=STATUS_COLOURS)
    def status_label(self, run: ImportRun) -> str:
        return "undone" if run.undone_by_id else run.status

    @display(description="Took")
    def duration(self, run: ImportRun) -> str:
        return duration_of(run)

    @display(description="Note")
    def note(self, run: ImportRun) -> str:
        return f"undone by run {run.undone_by_id}" if run.undone_by_id else ""

    @display(description="By source")
    def statement(self, run: ImportRun) -> SafeString | str:
        return statement_of(run)

    @display(description="Rejected, by rule")
    def rejects(self, run: ImportRun) -> str:
        return ", ".join(f"{rule}: {count}" for rule, count in run.summary.get("rejects_by_rule", {}).items()) or "none"

    @display(description="Quality")
    def quality_shown(self, run: ImportRun) -> SafeString | str:
        return quality_of(run)

    @display(description="About the whole registry")
    def notes(self, run: ImportRun) -> SafeString | str:
        return (
            format_html_join("", "<p>{}</p>", ((finding["message"],) for finding in run.findings)) or "nothing unusual"
        )

    @display(description="What it took")
    def effort(self, run: ImportRun) -> SafeString | str:
        return effort_of(run)

    def _total(self, run: ImportRun, name: str) -> int | str:
        return run.summary.get("totals", {}).get(name, "")

    @display(description="Read")
    def records(self, run: ImportRun) -> int | str:
        return self._total(run, "read")

    @display(description="Created")
    def created(self, run: ImportRun) -> int | str:
        return self._total(run, "created")

    @display(description="Updated")
    def updated(self, run: ImportRun) -> int | str:
        return self._total(run, "updated")

    @display(description="Merged")
    def merged(self, run: ImportRun) -> int | str:
        return self._total(run, "merged")

    @display(description="Rejected")
    def rejected(self, run: ImportRun) -> int | str:
        return self._total(run, "rejected")
