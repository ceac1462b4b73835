"""The registry's main pages. etl/admin.py adds the tab of sources."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.utils import unquote
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from core.access import log_access
from core.admin_pages import RoleAdmin, RoleStackedInline, RoleTabularInline
from core.anonymise import anonymise_address
from core.masking import mask
from core.models import User
from core.roles import Action, may
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    FacilityType,
    OperationalStatus,
    RetiredCode,
    ServiceCategory,
    new_code,
)
from facilities.pins import pin_edits
from facilities.protected_page import protected_page
from facilities.protection import HIDDEN, STAND_INS, gives_shelter
from facilities.reveal import recorded
from facilities.timeline import timeline
from geography.models import Constituency, County, Ward


class PlaceFilter(SimpleListFilter):
    """One level of county > constituency > ward: it lists what lies inside the chosen level above."""

    model: type[County | Constituency | Ward]
    parent: str  # the query parameter of the level above, "" for counties
    parent_field: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        places = self.model._default_manager.all()  # noqa: SLF001 - documented API
        if self.parent:
            chosen = request.GET.get(self.parent, "")
            if not chosen.isdecimal():
                return []
            places = places.filter(**{self.parent_field: chosen})
        return [(str(place.pk), str(place)) for place in places]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value and value.isdecimal() else queryset


class CountyFilter(PlaceFilter):
    title, parameter_name, model, parent, parent_field = "county", "county", County, "", ""


class ConstituencyFilter(PlaceFilter):
    title, parameter_name, model, parent, parent_field = (
        "constituency",
        "constituency",
        Constituency,
        "county",
        "county",
    )


class WardFilter(PlaceFilter):
    title, parameter_name, model, parent, parent_field = "ward", "ward", Ward, "constituency", "constituency"


class HasCoordinatesFilter(SimpleListFilter):
    title = "coordinates"
    parameter_name = "has_coordinates"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [("yes", "With coordinates"), ("no", "Without coordinates")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(coordinate__isnull=self.value() == "no")


class ServiceFilter(SimpleListFilter):
    title = "service"
    parameter_name = "service"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [(row.code, row.category_name) for row in ServiceCategory.objects.order_by("category_name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        code = self.value()
        # a subquery and no join: a join would list a facility once for each of its services
        offering = FacilityService.objects.filter(service_category__code=code, is_active=True).values("facility")
        return queryset.filter(pk__in=offering) if code else queryset


class ServiceInline(RoleTabularInline):
    model = FacilityService
    verbose_name, verbose_name_plural = "service", "services"
    show_title = False
    fields = ["service_category", "is_active"]
    extra = 0
    tab = True


class SealedForm(forms.ModelForm):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A form that leaves a sealed value as it was read unless a person changed it: it keeps its token, readable or not."""

    sealed_fields: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        """Return the form's values, those that were not changed as the instance holds them."""
        values = super().clean() or self.cleaned_data
        for name in self.sealed_fields:
            if self.instance.pk and name in values and name not in self.changed_data:
                values[name] = self.initial[name]
        return values


class FacilityForm(SealedForm):
    """A facility; a page that was opened before the facility changed is not saved over the change."""

    sealed_fields = ("address",)
    seen_at = forms.CharField(required=False, widget=forms.HiddenInput, label="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_at"] = self._changed_at()

    def _changed_at(self) -> str:
        return self.instance.updated_at.isoformat() if self.instance.pk else ""

    @property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name != "seen_at"]

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if values.get("seen_at") and values["seen_at"] != self._changed_at():
            by = self.instance.updated_by or "somebody"
            raise forms.ValidationError(
                f"{by} changed this facility after you opened the page. Open it again, then make your change."
            )
        return values


class ContactForm(SealedForm):
    """A contact; a value that cannot be read is shown as such and kept."""

    sealed_fields = ("contact_value",)
    contact_value = forms.CharField(max_length=255, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = FacilityContact
        fields = ["contact_type", "contact_value", "is_primary"]


class ContactFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A facility's contacts: each once, and one primary of a type."""

    def clean(self) -> None:
        """Raise ValidationError where the database would refuse the rows."""
        super().clean()
        if self.instance.is_confidential:
            return  # its contacts are not in the form
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        values = [(row.get("contact_type"), row.get("contact_value")) for row in kept]
        primary = [row.get("contact_type") for row in kept if row.get("is_primary")]
        if len(values) != len(set(values)):
            raise forms.ValidationError("A contact is listed twice.")
        if len(primary) != len(set(primary)):
            raise forms.ValidationError("Only one contact of each type can be the primary one.")


class ContactInline(RoleTabularInline):
    """Contacts: who edits sees and changes them, others see them masked; of a confidential place they are not shown."""

    model = FacilityContact
    form = ContactForm
    formset = ContactFormSet
    verbose_name, verbose_name_plural = "contact", "contacts"
    readonly_fields = ["shown_value"]
    show_title = False
    extra = 0
    tab = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[FacilityContact]:
        return super().get_queryset(request).select_related("contact_type", "facility")

    def get_fields(self, request: HttpRequest, obj: Facility | None = None) -> list[str]:
        value = "contact_value" if self.has_change_permission(request, obj) else "shown_value"
        return ["contact_type", value, "is_primary"]

    def has_add_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_add_permission(request, obj) and not (obj and obj.is_confidential)

    def has_change_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.is_confidential)

    def has_delete_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.is_confidential)

    @display(description="Value")
    def shown_value(self, contact: FacilityContact) -> str:
        """Return a hotline whole, anything else masked, and nothing of a confidential place."""
        if contact.facility.is_confidential:
            return HIDDEN
        is_public = contact.contact_type.code == "hotline"
        return str(contact.contact_value) if is_public else mask(str(contact.contact_value))


class CoordinateForm(forms.ModelForm):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A position; a browser always sends some accuracy, so that alone is no position."""

    class Meta:
        model = FacilityCoordinate
        fields = ["latitude", "longitude", "accuracy_level"]

    def has_changed(self) -> bool:
        return bool({"latitude", "longitude"} & set(self.changed_data)) or bool(self.instance.pk and self.changed_data)

    def clean(self) -> dict[str, Any]:
        """Return the form's values; raises ValidationError for half a position, or one off the map."""
        values = super().clean() or self.cleaned_data
        latitude, longitude = values.get("latitude"), values.get("longitude")
        if not self.errors and (latitude is None or longitude is None):
            raise forms.ValidationError("A position needs both latitude and longitude; to take it away, delete it.")
        for name, value, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
            if value is not None and abs(value) > most:
                self.add_error(name, f"Between -{most} and {most} degrees.")
        return values


class CoordinateInline(RoleStackedInline):
    model = FacilityCoordinate
    form = CoordinateForm
    fields = ["latitude", "longitude", "accuracy_level"]
    verbose_name = "position"
    verbose_name_plural = "position"
    tab = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[FacilityCoordinate]:
        return super().get_queryset(request).filter(sealed_position__isnull=True)

    def has_add_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_add_permission(request, obj) and not (obj and obj.is_confidential)


@admin.register(Facility)
class FacilityAdmin(RoleAdmin):
    form = FacilityForm
    list_display = ["name", "kind", "place", "status_label", "services_offered", "registration_number", "updated_at"]
    list_filter = [
        CountyFilter, ConstituencyFilter, WardFilter, "facility_type", "operational_status", ServiceFilter,
        HasCoordinatesFilter, "is_confidential", "is_active",
    ]  # fmt: skip
    list_filter_sheet = False
    list_filter_submit = False
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["facility_name", "facility_code", "registration_number", "retired_codes__retired_code"]
    search_help_text = "Name, facility code, registration number or a whole phone number or e-mail address"
    readonly_fields = [
        "facility_code", "created_at", "updated_at", "created_by", "updated_by", "shown_address", "protected_values",
    ]  # fmt: skip
    inlines = [ContactInline, ServiceInline, CoordinateInline]
    autocomplete_fields = ["county", "constituency", "ward"]
    compressed_fields = True
    warn_unsaved_form = True
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
                    "seen_at",
                ]
            },
        ),
        ("Where", {"fields": [("county", "constituency", "ward"), ("town", "address"), "is_confidential"]}),
        ("Online and history", {"fields": ["website", ("created_at", "created_by"), ("updated_at", "updated_by")]}),
    ]

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
        """Return the contacts that a search names, as they are recorded; etl/admin.py knows how they are written."""
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

    @display(description="Recorded")
    def protected_values(self, facility: Facility) -> SafeString:
        """Return what is recorded of a confidential place, without its values, and the way to the page that reveals one."""
        where = reverse("admin:facilities_facility_protected", args=[facility.pk])
        labels = ", ".join(recorded(facility).values()) or "nothing"
        return format_html('<p>{}</p><p><a class="underline" href="{}">Reveal, correct or lower</a></p>', labels, where)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.protected_view)
        return [path("<int:pk>/protected/", page, name="facilities_facility_protected"), *super().get_urls()]

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


class LookupAdmin(RoleAdmin):
    readonly_fields: list[str] = []

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002 - Django's signature
        """Return what stays: codes, and what makes a place confidential."""
        if obj is None:
            return []
        gives_shelter = "shelter" in {obj.code, getattr(obj, "kind", "")}
        return ["code", *(["kind"] if hasattr(obj, "kind") else []), *(["aliases"] if gives_shelter else [])]


@admin.register(FacilityType)
class FacilityTypeAdmin(LookupAdmin):
    list_display = ["type_name", "code", "kind"]


@admin.register(ServiceCategory)
class ServiceCategoryAdmin(LookupAdmin):
    list_display = ["category_name", "code"]


@admin.register(OperationalStatus)
class OperationalStatusAdmin(LookupAdmin):
    list_display = ["status_name", "code"]


@admin.register(ContactType)
class ContactTypeAdmin(LookupAdmin):
    list_display = ["type_name", "code"]
