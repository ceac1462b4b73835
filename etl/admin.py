"""Runs, source records and their versions, possible duplicates: to browse; and the facility page's tab of sources."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin, RoleTabularInline
from core.key_guard import KeysDoNotFitError
from core.middleware import in_own_transactions
from core.models import User
from core.roles import Action, may
from etl import review, review_admin  # noqa: F401 - registers the review queue
from etl.errors import EtlError
from etl.models import ImportRun, SourceFile, SourceRecord, SourceRecordVersion
from etl.rejects import STATES, RejectFilter, discard, find_waiting, replay
from etl.stages import clean
from etl.stages.report import COLUMNS, effort, table_rows
from facilities.admin import ContactForm, ContactInline, FacilityAdmin, FacilityTypeAdmin
from facilities.models import Facility, FacilityType, Pin
from geography.admin import PlaceAliasAdmin
from geography.models import PlaceAlias

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
            "", '<th class="px-3 py-1 text-right">{}</th>', ((name,) for name in ("source", *COLUMNS))
        )
        rows = format_html_join(
            "",
            "<tr>{}</tr>",
            (
                (format_html_join("", '<td class="px-3 py-1 text-right">{}</td>', ((c,) for c in row)),)
                for row in table_rows(run.summary)
            ),
        )
        return format_html('<div class="overflow-x-auto"><table><tr>{}</tr>{}</table></div>', head, rows)

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


def _findings_list(version: SourceRecordVersion | None) -> SafeString | str:
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
        return _findings_list(record.latest_version)


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
        return _findings_list(version)


class SourceRecordInline(RoleTabularInline):
    """The facility page's tab of sources: which records stand for it, and what was found on them."""

    model = SourceRecord
    verbose_name = "source"
    verbose_name_plural = "sources"
    show_title = False
    fields = ["source", "file", "outcome", "last_seen_run", "came_with", "findings"]
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True
    tab = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceRecord]:
        return super().get_queryset(request).select_related("latest_version__source_file", "last_seen_run", "home")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    @display(description="File and position")
    def file(self, record: SourceRecord) -> str:
        version = record.latest_version
        return f"{version.source_file.name} {version.pointer}" if version else ""

    @display(description="Came with")
    def came_with(self, record: SourceRecord) -> str:
        return str(record.home or "")

    @display(description="Findings")
    def findings(self, record: SourceRecord) -> str:
        return ", ".join(
            finding["rule"] for finding in (record.latest_version.findings if record.latest_version else [])
        )


class CleanContactForm(ContactForm):
    """A contact that a person enters, read by the cleaners that imports use, so that both write it alike."""

    def clean(self) -> dict[str, Any]:
        """Return the form's values with the contact normalised; raises ValidationError where it is none."""
        values = super().clean() or self.cleaned_data
        text, kind = values.get("contact_value"), values.get("contact_type")
        if not text or not kind or "contact_value" not in self.changed_data:
            return values
        found = (clean.to_email(text),) if kind.code == "email" else clean.to_phones(text).contacts
        if len(found) != 1 or not found[0]:
            wanted = "e-mail address" if kind.code == "email" else "Kenyan phone number or known short code"
            self.add_error("contact_value", f"This is no {wanted}.")
        else:
            values["contact_value"] = found[0]
        return values


class PinFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A facility's pins: taking one off lets the next import fold the facility anew."""

    def save(self, commit: bool = True) -> Any:
        saved = super().save(commit)
        if self.deleted_objects:
            SourceRecord.objects.filter(facility=self.instance).update(is_due=True)
        return saved


class PinInline(RoleTabularInline):
    """What a person set and imports keep; ticking "delete" gives it back to the sources."""

    model = Pin
    formset = PinFormSet
    verbose_name, verbose_name_plural = "pin", "pins"
    show_title = False
    fields = ["what", "pinned_by", "pinned_at"]
    readonly_fields = fields
    extra = 0
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_see = may(request.user, Action.REVEAL) or not (obj and obj.is_confidential)
        return may_see and super().has_delete_permission(request, obj)

    @display(description="What")
    def what(self, pin: Pin) -> str:
        return str(pin)


class OffersReplay:
    """A page of reference data that says, after a save, how many rejects waited for it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc] # of the ModelAdmin beside it
        if waiting := len(find_waiting()):
            where = f"{reverse('admin:etl_sourcerecordversion_changelist')}?state__exact=rejected&waiting=yes"
            text = format_html('{} rejected records waited for this: <a href="{}">replay them</a>.', waiting, where)
            messages.info(request, text)


class ReplayingPlaceAliasAdmin(OffersReplay, PlaceAliasAdmin):
    pass


class ReplayingFacilityTypeAdmin(OffersReplay, FacilityTypeAdmin):
    pass


@display(description="Where sources disagree")
def disputed(_: FacilityAdmin, facility: Facility) -> SafeString | str:
    """Return what each source says where they differ, the believed one first and in bold."""
    rows = (
        (
            "Contacts" if name == "contacts" else name.replace("_", " ").capitalize(),
            format_html_join(
                "; ",
                "{} says {}",
                (
                    (source, format_html("<b>{}</b>", value) if is_believed else value)
                    for source, value, is_believed in said
                ),
            ),
        )
        for name, said in review.what_is_disputed(facility).items()
    )
    said = format_html_join("", "<p>{}: {}</p>", rows) or "Its sources agree."
    pairs = f"{reverse('admin:etl_duplicatepair_changelist')}?q={facility.facility_code}"
    return format_html('{}<p><a class="underline" href="{}">Its possible duplicates</a></p>', said, pairs)


def _read_contacts(text: str) -> tuple[str, ...]:
    """Return the contacts in a search, as imports write them."""
    cell = clean.split_contacts(text)
    return (*cell.phones, *cell.emails)


# The apps below know nothing of the pipeline: what it adds to their pages is added here.
FacilityAdmin.read_contacts = staticmethod(_read_contacts)  # type: ignore[assignment,method-assign] # as a subclass would
ContactInline.form = CleanContactForm
FacilityAdmin.inlines += [SourceRecordInline, PinInline]
FacilityAdmin.disputed = disputed
FacilityAdmin.readonly_fields += ["disputed"]
FacilityAdmin.fieldsets += [("What sources say", {"fields": ["disputed"]})]
for model, page in ((PlaceAlias, ReplayingPlaceAliasAdmin), (FacilityType, ReplayingFacilityTypeAdmin)):
    admin.site.unregister(model)
    admin.site.register(model, page)
