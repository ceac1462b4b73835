"""Source records in the browser: where each stands, what was found on it, and what its source lists no more."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin
from core.row_numbers import row_number
from etl.assessment import hide_headings
from etl.models import SourceRecord
from etl.rule_words import in_admin
from etl.run_admin import STATUS_COLOURS
from etl.shown_records import read_kinds, show


def findings_list_of(findings: Sequence[Mapping[str, Any]]) -> SafeString | str:
    """Return findings, a paragraph each."""
    if not findings:
        return "none"
    rows = ((f["rule"], f["message"], f["pointer"], in_admin(f["hint"])) for f in findings)
    return format_html_join("", "<p><b>{}</b>: {} <code>{}</code> — {}</p>", rows)


class MissingFilter(admin.EmptyFieldListFilter):
    """Records that their source listed before and lists no more, beside those that it lists."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        words = ("All", "Missing: listed before, and no more", "Listed")
        every, empty, filled = super().choices(changelist)  # as Django offers them
        for choice, word in zip((every, filled, empty), words, strict=True):
            yield {**choice, "display": word}


class RunFilter(SimpleListFilter):
    """The run that a page of runs links here for; nobody chooses it from a list of hundreds."""

    title = "run"
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        chosen = request.GET.get("run", "")
        return [(chosen, f"Run {chosen}")] if row_number(chosen) else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        run = row_number(self.value() or "")
        return self.chosen(queryset, run) if run else queryset

    def chosen(self, queryset: QuerySet[Any], run: int) -> QuerySet[Any]:
        """Return what the page shows of this run."""
        return queryset.filter(last_seen_run=run)


@admin.register(SourceRecord)
class SourceRecordAdmin(ReadOnlyAdmin):
    list_display = ["name", "facility", "file", "outcome_label", "last_seen_run", "missing_since"]
    list_filter = ["source", "outcome", RunFilter, ("missing_since", MissingFilter)]
    list_filter_sheet = False
    list_per_page = 50
    list_select_related = ["facility", "last_seen_run", "missing_since", "latest_version__source_file"]
    search_fields = ["facility__facility_name", "facility__facility_code"]
    show_full_result_count = False
    list_before_template = "admin/etl/sourcerecord/missing_hint.html"
    fields = [
        "source",
        "key_shown",
        "occurrence",
        "outcome_label",
        "facility",
        "file",
        "first_seen_run",
        "last_seen_run",
        "missing_since",
        "withdrawn_in",
        "findings",
    ]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceRecord]:
        sealed = ("latest_version__raw", "latest_version__standardised")
        return super().get_queryset(request).select_related(*self.list_select_related).defer(*sealed)

    @display(description="Record", ordering="source_record_id")
    def name(self, record: SourceRecord) -> str:
        return str(record)

    @display(description="File and position")
    def file(self, record: SourceRecord) -> str:
        """Return where it stood last; where nobody knows it for an open place, without the headings that it stood under."""
        version = record.latest_version
        if version is None:
            return ""
        is_open = record.facility and not record.facility.is_confidential and version.pk == record.good_version_id
        return f"{version.source_file.name} {version.pointer if is_open else hide_headings(version.pointer)}"

    @display(description="Key")
    def key_shown(self, record: SourceRecord) -> str:
        """Return the key; a confidential place's may hold a national code, by which anybody finds its name."""
        return record.key if record.facility and not record.facility.is_confidential else "hidden"

    @display(description="Outcome", label=STATUS_COLOURS, ordering="outcome")
    def outcome_label(self, record: SourceRecord) -> str:
        return record.outcome

    @display(description="Findings of the latest version")
    def findings(self, record: SourceRecord) -> SafeString | str:
        version = record.latest_version
        return findings_list_of(show(version, read_kinds()).findings if version else ())
