"""The pages of the closed lists: types, services, statuses, kinds of contact."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from core.admin_pages import RoleAdmin
from facilities.models import ContactType, FacilityType, OperationalStatus, ServiceCategory


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
