"""Users and groups, with unfold's pages."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from core.admin_pages import ReadOnlyAdmin
from core.models import AuditEntry, User

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg] # stubs make it generic, Django does not
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002
        """Return False: the audit trail names users for good; one who leaves is made inactive."""
        return False


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed which row when; what was changed stands in the facility's history, as far as it may be shown."""

    list_display = ["changed_at", "operation", "table_name", "record_id", "changed_by", "session_id"]
    list_filter = ["operation", "table_name"]
    list_filter_sheet = False
    list_select_related = ["changed_by"]
    search_fields = ["=session_id", "=record_id"]
    search_help_text = "A session (run:12) or the number of a row"
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields
