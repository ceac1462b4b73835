"""Source records in the browser: where each stands, and what was found on it."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin
from etl.models import SourceRecord, SourceRecordVersion
from etl.run_admin import STATUS_COLOURS


def findings_list_of(version: SourceRecordVersion | None) -> SafeString | str:
    """Return the findings of a version, a paragraph each."""
    if version is None or not version.findings:
        return "none"
    rows = ((f["rule"], f["message"], f["pointer"], f["hint"]) for f in version.findings)
    return format_html_join("", "<p><b>{}</b>: {} <code>{}</code> — {}</p>", rows)


@admin.register(SourceRecord)
class SourceRecordAdmin(ReadOnlyAdmin):
    list_display = ["source", "key_shown", "outcome_label", "facility", "last_seen_run", "missing_since"]
    list_filter = ["source", "outcome", ("missing_since", admin.EmptyFieldListFilter)]
    list_filter_sheet = False
    list_select_related = ["facility", "last_seen_run", "missing_since"]
    search_fields = ["facility__facility_name", "facility__facility_code"]
    show_full_result_count = False
    fields = [
        "source",
        "key_shown",
        "occurrence",
        "outcome_label",
        "facility",
        "first_seen_run",
        "last_seen_run",
        "missing_since",
        "withdrawn_in",
        "findings",
    ]
    readonly_fields = fields

    @display(description="Key")
    def key_shown(self, record: SourceRecord) -> str:
        """Return the key; a confidential place's may hold a national code, by which anybody finds its name."""
        return "hidden" if record.facility and record.facility.is_confidential else record.key

    @display(description="Outcome", label=STATUS_COLOURS, ordering="outcome")
    def outcome_label(self, record: SourceRecord) -> str:
        return record.outcome

    @display(description="Findings of the latest version")
    def findings(self, record: SourceRecord) -> SafeString | str:
        return findings_list_of(record.latest_version)
