"""The audit trail's list: each change in words, with the facility that it is about."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from core.admin import AuditEntryAdmin
from core.models import AuditEntry
from facilities.audit_rows import AuditRow, in_words, tables_in_words
from facilities.timeline import Act, Line

DONE = {"INSERT": "added", "UPDATE": "changed", "DELETE": "taken away"}
MOST_LINES = 4  # of one change, in the list
admin.site.unregister(AuditEntry)


class TableFilter(SimpleListFilter):
    title, parameter_name = "what", "table"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [(table, words.capitalize()) for table, words in tables_in_words()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        return queryset.filter(table_name=self.value()) if self.value() else queryset


class AuditList(ChangeList):
    """A page of the trail, each entry with itself in words as `row`."""

    result_list: Any

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        entries = list(self.result_list)
        for entry, row in zip(entries, in_words(entries), strict=True):
            entry.row = row
        self.result_list = entries


@admin.register(AuditEntry)
class ChangesAdmin(AuditEntryAdmin):
    """Who changed what when: as a facility's History shows it, for all of them."""

    list_display = ["changed_at", "what", "facility", "changed_by", "origin"]
    list_filter = ["operation", TableFilter, "changed_by"]  # type: ignore[list-item] # a filter of our own serves as well
    list_per_page = list_max_show_all = 50
    fields = ["changed_at", "everything", "facility", "changed_by", "origin", "table_name", "record_id"]
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AuditList]:  # noqa: ARG002 - Django's signature
        return AuditList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AuditEntry | None:
        entry: AuditEntry | None = super().get_object(request, object_id, from_field)
        if entry:
            (entry.row,) = in_words([entry])  # type: ignore[attr-defined] # as on a list's rows
        return entry

    @display(description="What was changed")
    def what(self, entry: AuditEntry) -> SafeString:
        lines = _row(entry).change.lines
        more = f"and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
        return format_html("{}{}<p>{}</p>", _head(entry), _in_lines(lines[:MOST_LINES]), more)

    @display(description="What was changed")
    def everything(self, entry: AuditEntry) -> SafeString:
        return format_html("{}{}", _head(entry), _in_lines(_row(entry).change.lines))

    @display(description="Facility")
    def facility(self, entry: AuditEntry) -> SafeString | str:
        facility = _row(entry).facility
        if facility is None:
            return ""
        where = reverse("admin:facilities_facility_change", args=[facility.pk])
        return format_html('<a class="underline" href="{}">{}</a>', where, facility.facility_name)

    @display(description="In", ordering="session_id")
    def origin(self, entry: AuditEntry) -> SafeString | str:
        act = Act(entry.session_id or "", "", entry.changed_at, ())
        if not act.run:
            return act.origin
        where = reverse("admin:etl_importrun_change", args=[act.run])
        return format_html('<a class="underline" href="{}">{}</a>', where, act.origin)


def _row(entry: AuditEntry) -> AuditRow:
    row: AuditRow = entry.row  # type: ignore[attr-defined] # set by AuditList, or by get_object()
    return row


def _head(entry: AuditEntry) -> SafeString:
    change = _row(entry).change
    return format_html('<p class="font-medium">{} {}</p>', change.what.capitalize(), DONE[change.operation])


def _in_lines(lines: tuple[Line, ...]) -> SafeString:
    return format_html_join(
        "", "<p>{}: {}</p>", ((line.label[:1].upper() + line.label[1:], _before_and_after(line)) for line in lines)
    )


def _before_and_after(line: Line) -> SafeString | str:
    if not line.before:
        return line.after or "set"
    return format_html("<del>{}</del>{}{}", line.before, " → " if line.after else "", line.after)
