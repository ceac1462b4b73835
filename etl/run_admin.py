"""Runs in the browser: what each read, what became of it, what it took."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin, RoleTabularInline
from etl.models import ImportRun, SourceFile
from etl.quality_reporting import run_report
from etl.stages.report import COLUMNS, effort, table_rows

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
        "records",
        "created",
        "updated",
        "merged",
        "rejected",
        "seconds",
    ]
    list_filter = ["status", "kind"]
    list_filter_sheet = False
    date_hierarchy = "started_at"
    inlines = [SourceFileInline]
    fields = [
        "kind",
        "status_label",
        "undone_by",
        "started_at",
        "finished_at",
        "started_by",
        "host",
        "pid",
        "error",
        "statement",
        "rejects",
        "notes",
        "effort",
    ]
    readonly_fields = fields

    def get_urls(self) -> list[Any]:
        report = self.admin_site.admin_view(self.report_view)
        return [path("<path:object_id>/report/", report, name="etl_importrun_report"), *super().get_urls()]

    def report_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the run's report: one self-contained page, to read, print or save."""
        run = self.get_object(request, unquote(object_id))
        if run is None or not self.has_view_permission(request, run):
            raise PermissionDenied if run else Http404
        if "totals" not in run.summary:
            self.message_user(request, f"Run {run.pk} left no statement, and so has no report.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:etl_importrun_change", args=[run.pk]))
        return HttpResponse(run_report(run))

    @display(description="Run", ordering="run_id")
    def title(self, run: ImportRun) -> str:
        return f"Run {run.pk}"

    @display(description="Status", label=STATUS_COLOURS)
    def status_label(self, run: ImportRun) -> str:
        return "undone" if run.undone_by_id else run.status

    @display(description="By source")
    def statement(self, run: ImportRun) -> SafeString | str:
        if "sources" not in run.summary:
            return "nothing was read"
        head = format_html_join(
            "", '<th scope="col" class="px-3 py-1 text-right">{}</th>', ((name,) for name in ("source", *COLUMNS))
        )
        rows = format_html_join(
            "",
            "<tr>{}</tr>",
            (
                (format_html_join("", '<td class="px-3 py-1 text-right">{}</td>', ((c,) for c in row)),)
                for row in table_rows(run.summary)
            ),
        )
        return format_html(
            '<div class="overflow-x-auto" tabindex="0" role="region" aria-label="By source"><table><tr>{}</tr>{}</table></div>',
            head,
            rows,
        )

    @display(description="Rejected, by rule")
    def rejects(self, run: ImportRun) -> str:
        return ", ".join(f"{rule}: {count}" for rule, count in run.summary.get("rejects_by_rule", {}).items()) or "none"

    @display(description="About the whole registry")
    def notes(self, run: ImportRun) -> SafeString | str:
        return (
            format_html_join("", "<p>{}</p>", ((finding["message"],) for finding in run.findings)) or "nothing unusual"
        )

    @display(description="What it took")
    def effort(self, run: ImportRun) -> SafeString | str:
        if "seconds" not in run.summary:
            return "not known"
        steps = run.summary.get("seconds_by_step", {})
        by_step = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items())
        warnings = format_html_join("", "<p>{}</p>", ((warning,) for warning in run.summary.get("warnings", [])))
        return format_html("<p>{}</p><p>{}</p>{}", effort(run.summary), by_step, warnings)

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

    @display(description="Seconds")
    def seconds(self, run: ImportRun) -> float | str:
        return run.summary.get("seconds", "")
