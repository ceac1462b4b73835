"""The registry's main page. etl/admin.py adds the tabs of sources and pins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.access import log_access
from core.admin_pages import RoleAdmin
from core.anonymise import anonymise_address
from core.models import User
from core.roles import Action, may
from facilities import audit_admin, lookup_admin  # noqa: F401 - they register their pages
from facilities.completeness import completeness
from facilities.filters import (
    ConstituencyFilter,
    CountyFilter,
    HasCoordinatesFilter,
    MissingFilter,
    ServiceFilter,
    WardFilter,
)
from facilities.forms import FacilityForm
from facilities.help_page import help_page
from facilities.inlines import ContactInline, CoordinateInline, ServiceInline
from facilities.map_page import map_page, map_points
from facilities.models import Facility, FacilityContact, FacilityService, RetiredCode, new_code
from facilities.pins import pin_edits
from facilities.protected_page import protected_page
from facilities.protection import STAND_INS, gives_shelter
from facilities.reveal import recorded
from facilities.stale_page import stale_page, verify_view
from facilities.timeline import timeline


@admin.register(Facility)
class FacilityAdmin(RoleAdmin):
    form = FacilityForm
    list_display = ["name", "kind", "place", "status_label", "services_offered", "registration_number", "updated_at"]
    list_filter = [
        CountyFilter, ConstituencyFilter, WardFilter, "facility_type", "operational_status", ServiceFilter,
        HasCoordinatesFilter, MissingFilter, "is_confidential", "is_active",
    ]  # fmt: skip
    list_filter_sheet = False
    list_filter_submit = False
    list_before_template = "admin/facilities/facility/map_link.html"
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["facility_name", "facility_code", "registration_number", "retired_codes__retired_code"]
    search_help_text = "Name, facility code, registration number or a whole phone number or e-mail address"
    readonly_fields = [
        "facility_code", "created_at", "updated_at", "created_by", "updated_by", "shown_address", "protected_values",
        "complete",
    ]  # fmt: skip
    inlines = [ContactInline, ServiceInline, CoordinateInline]
    autocomplete_fields = ["county", "constituency", "ward"]
    compressed_fields = True
    warn_unsaved_form = True
    change_form_outer_after_template = "admin/facilities/facility/verify_contacts.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("facility_name", "facility_type"),
                    ("facility_code", "registration_number"),
                    ("operational_status", "is_active"),
                    ("level", "ownership"),
                    ("opening_hours", "has_gender_desk"),
                    "complete",
                    "seen_at",
                ]
            },
        ),
        ("Where", {"fields": [("county", "constituency", "ward"), ("town", "address"), "is_confidential"]}),
        ("Online and history", {"fields": ["website", ("created_at", "created_by"), ("updated_at", "updated_by")]}),
    ]

    class Media:
        js = ["facilities/narrow_places.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Facility]:
        services = FacilityService.objects.filter(is_active=True).select_related("service_category")
        return (
            super()
            .get_queryset(request)
            .select_related("county", "constituency", "ward", "facility_type", "operational_status")
            .prefetch_related(Prefetch("services", services))
        )

    @staticmethod
    def read_contacts(_: str) -> Sequence[str]:
        """Return the contacts that a search names, as they are recorded; etl/facility_tabs.py knows how they are written."""
        return ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Facility], search_term: str
    ) -> tuple[QuerySet[Facility], bool]:
        """Return what has this name, code or number; to whoever may query, also the open places with this very contact."""
        found, has_doubles = super().get_search_results(request, queryset, search_term)
        if not (may(request.user, Action.QUERY) or may(request.user, Action.WRITE)):
            return found, has_doubles
        indexes = [FacilityContact.index_of(contact) for contact in self.read_contacts(search_term)]
        if not indexes:
            return found, has_doubles
        contacts = FacilityContact.objects.filter(value_index__in=indexes, facility__is_confidential=False)
        count = contacts.values("facility").distinct().count()
        log_access(request.user, "query", "facilities by contact", request=request, count=count)
        return found | queryset.filter(pk__in=contacts.values("facility")), has_doubles

    @display(description="Facility", header=True, ordering="facility_name")
    def name(self, facility: Facility) -> list[str]:
        return [facility.facility_name, facility.facility_code]

    @display(description="Type", ordering="facility_type")
    def kind(self, facility: Facility) -> str:
        return str(facility.facility_type or "")

    @display(description="Place", ordering="county__county_name")
    def place(self, facility: Facility) -> str:
        parts = (facility.ward, facility.constituency, facility.county)
        return ", ".join(str(part) for part in parts if part)

    @display(
        description="Status",
        ordering="operational_status",
        label={"operational": "success", "temporarily-closed": "warning", "not-operational": "danger"},
    )
    def status_label(self, facility: Facility) -> tuple[str, str]:
        status = facility.operational_status
        if not facility.is_active:
            return ("not-operational", "Out of service")
        return (status.code, status.status_name) if status else ("unknown", "Unknown")

    @display(description="Services")
    def services_offered(self, facility: Facility) -> str:
        names = [str(service.service_category) for service in facility.services.all()]
        return ", ".join(names[:3]) + (f" +{len(names) - 3}" if len(names) > 3 else "")

    def get_fieldsets(self, request: HttpRequest, obj: Facility | None = None) -> Any:
        """Return the fields of the page: nothing of what is protected, and an address for those who edit only."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj and obj.is_confidential:
            protected = {**dict.fromkeys(_PROTECTED_FIELDS), "is_confidential": "is_confidential"}
            first, *rest = _replaced(fieldsets, protected)
            return [first, ("Protected", {"fields": ["protected_values"]}), *rest]
        return fieldsets if may(request.user, Action.WRITE) else _replaced(fieldsets, {"address": "shown_address"})

    @display(description="Address")
    def shown_address(self, facility: Facility) -> str:
        return anonymise_address(facility.address) or ""

    @display(description="Complete")
    def complete(self, facility: Facility) -> str:
        """Return how much of what is worth knowing is recorded, and what is missing, in words."""
        return str(completeness(facility.known)) if facility.pk else ""

    @display(description="Recorded")
    def protected_values(self, facility: Facility) -> SafeString:
        """Return what is recorded of a confidential place, without its values, and the way to the page that reveals one."""
        where = reverse("admin:facilities_facility_protected", args=[facility.pk])
        labels = ", ".join(recorded(facility).values()) or "nothing"
        return format_html('<p>{}</p><p><a class="underline" href="{}">Reveal, correct or lower</a></p>', labels, where)

    def get_urls(self) -> list[Any]:
        pages: dict[str, tuple[Callable[..., HttpResponse], str]] = {
            "<int:pk>/protected/": (self.protected_view, "protected"),
            "find-help/": (self.find_help_view, "find_help"),
            "map/": (self.map_view, "map"),
            "map/points/": (self.map_points_view, "map_points"),
            "stale-contacts/": (self.stale_contacts_view, "stale_contacts"),
            "contacts/verify/": (verify_view, "verify_contact"),
        }
        own = [
            path(address, self.own_view(view), name=f"facilities_facility_{name}")
            for address, (view, name) in pages.items()
        ]
        return [*own, *super().get_urls()]

    def find_help_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with the nearest places that state a service."""
        return help_page(request, self.admin_site.each_context(request))

    def stale_contacts_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with the contacts that are to be called again."""
        return stale_page(request, self.admin_site.each_context(request))

    def map_view(self, request: HttpRequest) -> HttpResponse:
        return map_page(request, self, self.admin_site.each_context(request))

    def map_points_view(self, request: HttpRequest) -> HttpResponse:
        return map_points(request, self)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer with the facility's page; who sees personal values there is written down."""
        answer = super().change_view(request, object_id, form_url, extra_context)
        facility = self.get_object(request, unquote(object_id)) if request.method == "GET" else None
        if facility and not facility.is_confidential and may(request.user, Action.WRITE) and _has_personal(facility):
            log_access(request.user, "see", f"facility:{facility.facility_code} personal", request=request)
        return answer

    def protected_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer with the page of a confidential place's protected values."""
        return protected_page(
            request, pk, self.admin_site.each_context(request) | {"opts": self.opts}, ContactInline.form
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Facility | None = None) -> list[str]:  # noqa: ARG002
        """Return the fields that nobody edits here: what is confidential stays so, until two people lower it."""
        return [*self.readonly_fields, *(["is_confidential", "county"] if obj and obj.is_confidential else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:  # noqa: ARG002
        """Return False: a facility is taken out of service (is active), never deleted, since imports stand for it."""
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer with the facility's timeline from the audit trail, which sees imports and raw SQL, too."""
        facility = self.get_object(request, unquote(object_id))
        acts = timeline(facility) if facility else []
        return super().history_view(request, object_id, {"acts": acts, **(extra_context or {})})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Facility | None:
        """Return the facility; one that is being saved is locked, so that no import writes between check and save."""
        facility: Facility | None = super().get_object(request, object_id, from_field)
        if facility and request.method == "POST":
            Facility.objects.select_for_update().filter(pk=facility.pk).first()
            facility.refresh_from_db()
        return facility

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Lead from the page of a facility that was merged to the one that stands for it now."""
        was = unquote(object_id)
        retired = RetiredCode.objects.filter(facility_was=int(was)).first() if was.isdecimal() else None
        if retired is None:
            answer: HttpResponse = super()._get_obj_does_not_exist_redirect(request, opts, object_id)
            return answer
        self.message_user(request, f"{retired} was merged into this facility.", messages.INFO)
        return HttpResponseRedirect(reverse("admin:facilities_facility_change", args=[retired.facility_id]))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        assert isinstance(request.user, User)
        pin_edits(form.instance, form=form, formsets=formsets, user=request.user)
        self._hide_shelter(form.instance, {name for part in (form, *formsets) for name in _changed_by(part)})
        if change and not form.has_changed() and any(formset.has_changed() for formset in formsets):
            stamp = {"updated_at": timezone.now(), "updated_by": request.user}
            Facility.objects.filter(pk=form.instance.pk).update(**stamp)

    @staticmethod
    def _hide_shelter(facility: Facility, changed: AbstractSet[str]) -> None:
        """Make a place confidential that a person made a shelter, until two people say otherwise."""
        if facility.is_confidential or not changed & {"facility_type", "service_category", "is_active"}:
            return
        kind = facility.facility_type.kind if facility.facility_type else ""
        services = facility.services.filter(is_active=True).values_list("service_category__code", flat=True)
        if gives_shelter(kind, set(services)):
            facility.is_confidential = True
            facility.save()

    def save_model(self, request: HttpRequest, obj: Facility, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        if change and not form.has_changed():
            return  # a save that changes nothing moves no time stamp
        obj.updated_by = request.user
        if not change:
            obj.created_by = request.user
            obj.facility_code = new_code()
        super().save_model(request, obj, form, change)


_PROTECTED_FIELDS = ("address", *(name.removesuffix("_id") for name in STAND_INS))


def _replaced(fieldsets: Any, by: Mapping[str, str | None]) -> list[Any]:
    """Return fieldsets with fields replaced by others, or left out where there is None."""
    return [
        (title, {**options, "fields": [row for row in (_replaced_row(row, by) for row in options["fields"]) if row]})
        for title, options in fieldsets
    ]


def _replaced_row(row: Any, by: Mapping[str, str | None]) -> Any:
    if isinstance(row, str):
        return by.get(row, row)
    return tuple(new for name in row if (new := by.get(name, name)))


def _changed_by(part: Any) -> Iterator[str]:
    """Yield the names of the fields that a form, or the forms of a formset, changed."""
    for form in getattr(part, "forms", [part]):
        yield from form.changed_data


def _has_personal(facility: Facility) -> bool:
    return bool(facility.address) or facility.contacts.exclude(contact_type__code="hotline").exists()
