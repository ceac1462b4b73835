"""The tabs of a facility's page: services, contacts, position."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin_pages import RoleStackedInline, RoleTabularInline
from facilities.forms import ContactForm, ContactFormSet, CoordinateForm
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService
from facilities.protection import HIDDEN
from facilities.shown_contacts import show
from facilities.small_map import MAP_SCRIPTS, MAP_STYLES, small_map
from facilities.verifying import METHODS, seen, verified_text


class ServiceInline(RoleTabularInline):
    model = FacilityService
    verbose_name, verbose_name_plural = "service", "services"
    show_title = False
    fields = ["service_category", "is_active"]
    extra = 0
    tab = True


class ContactInline(RoleTabularInline):
    """Contacts: who edits sees and changes them, others see them masked; of a confidential place they are not shown."""

    model = FacilityContact
    form = ContactForm
    formset = ContactFormSet
    verbose_name, verbose_name_plural = "contact", "contacts"
    readonly_fields = ["shown_value", "verified", "mark_verified"]
    show_title = False
    extra = 0
    tab = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[FacilityContact]:
        return super().get_queryset(request).select_related("contact_type", "facility", "verified_by")

    def get_fields(self, request: HttpRequest, obj: Facility | None = None) -> list[str]:
        if obj and obj.is_confidential:
            return ["contact_type", "shown_value", "is_primary"]
        if self.has_change_permission(request, obj):
            return ["contact_type", "contact_value", "is_primary", "verified", "mark_verified"]
        return ["contact_type", "shown_value", "is_primary", "verified"]

    def has_add_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_add_permission(request, obj) and not (obj and obj.is_confidential)

    def has_change_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.is_confidential)

    def has_delete_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.is_confidential)

    @display(description="Value")
    def shown_value(self, contact: FacilityContact) -> str:
        """Return a help line whole, anything else masked, and nothing of a confidential place."""
        return HIDDEN if contact.facility.is_confidential else show(contact, whole=False).value

    @display(description="Verified")
    def verified(self, contact: FacilityContact) -> str:
        return verified_text(contact) if contact.pk else ""

    @display(description="Mark as verified")
    def mark_verified(self, contact: FacilityContact) -> SafeString | str:
        """Return a button for each way to verify; they belong to the form that verify_contacts.html puts below the page's."""
        if not contact.pk:
            return ""
        buttons = format_html_join(
            "",
            '<button type="submit" form="verify-contacts" name="verify" value="{}:{}" title="{}"'
            ' aria-label="{}: mark this contact as verified" class="border border-base-200 cursor-pointer font-medium px-2 py-1'
            ' rounded-default text-important dark:border-base-700">{}</button>',
            (
                (seen(contact), method, words.capitalize(), method.capitalize(), method.capitalize())
                for method, words in METHODS.items()
            ),
        )
        return format_html('<div class="flex flex-row gap-2">{}</div>', buttons)


class CoordinateInline(RoleStackedInline):
    model = FacilityCoordinate
    form = CoordinateForm
    fields = ["latitude", "longitude", "accuracy_level", "on_the_map"]
    readonly_fields = ["on_the_map"]
    verbose_name = "position"
    verbose_name_plural = "position"
    tab = True

    class Media:
        css = {"all": MAP_STYLES}
        js = MAP_SCRIPTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[FacilityCoordinate]:
        return super().get_queryset(request).filter(sealed_position__isnull=True)

    def has_add_permission(self, request: HttpRequest, obj: Facility | None = None) -> bool:
        return super().has_add_permission(request, obj) and not (obj and obj.is_confidential)

    @display(description="On the map")
    def on_the_map(self, position: FacilityCoordinate) -> SafeString | str:
        """Return a small map of an open place with a position; nothing else."""
        if position.pk is None or position.facility.is_confidential or position.latitude is None:
            return ""
        return small_map(position)
