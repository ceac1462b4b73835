"""What the pipeline adds to pages of the apps below: sources, pins, what sources say, the offer to replay."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import RoleTabularInline
from core.roles import Action, may
from etl import review
from etl.facility_quality import validate_facility
from etl.models import SourceRecord
from etl.rejects import find_waiting_for, find_waiting_for_lists
from etl.stages import clean
from facilities.admin import FacilityAdmin
from facilities.forms import ContactForm
from facilities.lookup_admin import FacilityTypeAdmin
from facilities.models import Facility, FacilityType, Pin
from geography.admin import PlaceAliasAdmin
from geography.models import PlaceAlias


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

    def find_waiting(self, row: Any) -> list[int]:
        """Return the numbers of the rejects that load now that this row was saved."""
        raise NotImplementedError

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc] # of the ModelAdmin beside it
        if waiting := len(self.find_waiting(form.instance)):
            where = f"{reverse('admin:etl_sourcerecordversion_changelist')}?state__exact=rejected&waiting=yes"
            text = format_html('{} rejected records waited for this: <a href="{}">replay them</a>.', waiting, where)
            messages.info(request, text)


class ReplayingPlaceAliasAdmin(OffersReplay, PlaceAliasAdmin):
    def find_waiting(self, row: PlaceAlias) -> list[int]:
        names_a_county = row.level in {
            PlaceAlias.Level.COUNTY,
            PlaceAlias.Level.TOWN,
        }  # no other level rejects a record
        return find_waiting_for(row.alias) if names_a_county else []


class ReplayingFacilityTypeAdmin(OffersReplay, FacilityTypeAdmin):
    def find_waiting(self, row: FacilityType) -> list[int]:  # noqa: ARG002 - any word of the list may be what was missing
        return find_waiting_for_lists()


@admin.action(description="Compare the two chosen", permissions=["view"])
def compare_chosen(page: FacilityAdmin, request: HttpRequest, chosen: QuerySet[Facility]) -> HttpResponse | None:
    """Lead to the page that shows two facilities side by side, and why matching did not make them one."""
    two = list(chosen.order_by("pk")[:3])
    if len(two) != 2:
        page.message_user(request, "Choose two facilities to compare.", messages.WARNING)
        return None
    if any(facility.is_confidential for facility in two) and not may(request.user, Action.REVEAL):
        page.message_user(request, "Only safeguarding compares a confidential place.", messages.ERROR)
        return None
    codes = urlencode({"one": two[0].facility_code, "other": two[1].facility_code})
    return HttpResponseRedirect(f"{reverse('admin:etl_duplicatepair_compare')}?{codes}")


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


@display(description="Quality")
def quality(_: FacilityAdmin, facility: Facility) -> str:
    """Return whether the facility fits the schema and keeps the rules, what is odd about it, and its score."""
    # as it is stored: on a page that shows errors the instance holds what was typed
    stored = Facility.objects.with_details().filter(pk=facility.pk).first()
    return str(validate_facility(stored)) if stored else ""


def read_contacts(text: str) -> tuple[str, ...]:
    """Return the contacts in a search, as imports write them."""
    cell = clean.split_contacts(text)
    return (*cell.phones, *cell.emails)
