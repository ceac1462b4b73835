"""Users, roles, the audit trail, the access log and the decisions that two people take."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from core.admin_pages import ReadOnlyAdmin, RoleAdmin
from core.approvals import ApprovalError, Kind, ask, decide, end_sessions
from core.models import AccessLog, Approval, AuditEntry, User
from core.roles import IMPORT_USER, ROLES, SAFEGUARDING, Action, may, may_decide

admin.site.unregister(Group)


class NewUserForm(UserCreationForm):
    """A new user; the system user's name is taken even before it is there."""

    def clean_username(self) -> str:
        """Return the user name; raises ValidationError for the system user's."""
        name = str(super().clean_username() or "")
        if name.casefold() == IMPORT_USER:
            raise forms.ValidationError("Commands work under this name: choose another one.")
        return name


class UserForm(UserChangeForm):
    """A user with roles; nobody joins or leaves the safeguarding group by a tick: two people decide who joins."""

    safeguarding_reason = forms.CharField(
        required=False,
        label="Ask for the safeguarding group",
        help_text="Why this person should see protected values. Another person decides, under Approvals.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    leaves_safeguarding = forms.BooleanField(required=False, label="Leaves the safeguarding group")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups" in self.fields:
            self.fields["groups"].queryset = Group.objects.filter(name__in=ROLES).exclude(name=SAFEGUARDING)
            self.initial["groups"] = [group for group in self.initial.get("groups", []) if group.name != SAFEGUARDING]

    def clean_username(self) -> str:
        """Return the user name; raises ValidationError where another person's, or the system user's, is taken."""
        name = str(self.cleaned_data["username"])
        if name != self.instance.username and name.casefold() == IMPORT_USER:
            raise forms.ValidationError("Commands work under this name: choose another one.")
        return name

    def _save_m2m(self) -> None:
        """Save the roles; membership of the safeguarding group stays as it is unless the person leaves it."""
        safeguarding = Group.objects.filter(name=SAFEGUARDING, user=self.instance).first()
        super()._save_m2m()
        if safeguarding and not self.cleaned_data["leaves_safeguarding"]:
            self.instance.groups.add(safeguarding)
        elif safeguarding:
            self.instance.groups.remove(safeguarding)  # the other roles of a member cannot be chosen, and stay
            end_sessions(self.instance)


@admin.register(User)
class UserAdmin(RoleAdmin, DjangoUserAdmin):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """Who works with the registry. What a role may do is declared in core/roles.py, and no user has rights beside a role."""

    action_to_view = action_to_change = Action.MANAGE_USERS
    form = UserForm
    add_form = NewUserForm
    add_fieldsets = DjangoUserAdmin.add_fieldsets
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "roles", "is_active", "last_login"]
    list_filter = ["is_active", "groups"]
    list_filter_sheet = False
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": [("first_name", "last_name"), "email"]}),
        ("Roles", {"fields": ["groups", ("is_active", "is_staff", "is_superuser")]}),
        ("Safeguarding", {"fields": ["safeguarding_reason", "leaves_safeguarding"]}),
        ("History", {"fields": [("last_login", "date_joined")]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all()))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Return what this person may not change: only a superuser makes superusers, and commands' user stays as it is."""
        fixed = [*self.readonly_fields, *([] if request.user.is_superuser else ["is_superuser"])]
        if obj and not _may_edit(request, obj):
            fixed += ["username", "email", "is_active", "is_staff", "is_superuser", "groups"]
        return fixed

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's name
        """Answer with the form for a new password; not for whoever sees protected values, who sets it alone."""
        user = self.get_object(request, id)
        if user and not _may_edit(request, user):
            raise PermissionDenied  # who sees protected values sets the own password, or leaves the group first
        return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        reason = form.cleaned_data.get("safeguarding_reason", "")
        assert isinstance(request.user, User)
        if reason:
            try:
                ask(Kind.JOIN_SAFEGUARDING, obj, reason=reason, user=request.user)
                messages.info(request, "Asked. Another person decides, under Approvals.")
            except ApprovalError as error:
                messages.error(request, f"Not asked: {error}.")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002
        """Return False: the audit trail names users for good; one who leaves is made inactive."""
        return False


def _may_edit(request: HttpRequest, user: User) -> bool:
    """Return whether this person may change how that user logs in: with an account one takes over what it may do."""
    if user.pk == request.user.pk:
        return True
    if user.username == IMPORT_USER:
        return False
    is_member = user.groups.filter(name=SAFEGUARDING).exists()  # in use or not: it could be made active again
    return not is_member and (request.user.is_superuser or not user.is_superuser)


@admin.register(Group)
class RoleGroupAdmin(ReadOnlyAdmin):
    """The roles, as core/roles.py declares them."""

    action_to_view = Action.MANAGE_USERS
    list_display = ["name", "actions_allowed"]
    fields = ["name", "actions_allowed"]
    readonly_fields = fields

    @display(description="May")
    def actions_allowed(self, group: Group) -> str:
        return ", ".join(sorted(ROLES.get(group.name, ())))


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed which row when; what was changed stands in the facility's history, as far as it may be shown."""

    list_display = ["changed_at", "operation", "table_name", "record_id", "changed_by", "session_id"]
    list_filter = ["operation", "table_name"]
    list_filter_sheet = False
    list_select_related = ["changed_by"]
    search_fields = ["=session_id", "=record_id"]
    search_help_text = "run:12, or a row's number; of a place, see its History page"
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdmin):
    """Who asked for personal and protected values, exported and imported, and what was answered."""

    action_to_view = Action.MANAGE_USERS
    list_display = ["at", "user", "action", "resource", "result", "count", "ip"]
    list_filter = ["result", "action", "user"]
    list_filter_sheet = False
    list_select_related = ["user"]
    date_hierarchy = "at"
    search_fields = ["resource"]
    search_help_text = "A facility code, or what was exported"
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return may_decide(request)

    has_module_permission = has_view_permission


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """What one person asked for and another one decides."""

    action_to_view = Action.READ
    list_display = ["kind", "subject", "state", "asked_by", "asked_at", "decided_by", "decided_at"]
    list_filter = ["state", "kind"]
    list_filter_sheet = False
    list_select_related = ["asked_by", "decided_by"]
    fields = ["kind", "subject", "why", "state", "asked_by", "asked_at", "decided_by", "decided_at"]
    readonly_fields = fields
    actions = ["approve", "refuse"]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Return the columns of the list, for members with the reasons: nobody approves without having read one."""
        return [*self.list_display, *(["why"] if may(request.user, Action.REVEAL) else [])]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return the fields of the page; a reason to lower a place's protection may quote what is protected."""
        is_hidden = obj and obj.kind == Kind.LOWER_PROTECTION and not may(request.user, Action.REVEAL)
        return [name for name in self.readonly_fields if not (is_hidden and name == "why")]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return self.has_decide_permission(request)

    has_module_permission = has_view_permission

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return may_decide(request)

    @display(description="Reason")
    def why(self, approval: Approval) -> str:
        return approval.reason

    @admin.action(description="Approve the chosen requests", permissions=["decide"])
    def approve(self, request: HttpRequest, chosen: QuerySet[Approval]) -> None:
        self._decide(request, chosen, approve=True)

    @admin.action(description="Refuse the chosen requests", permissions=["decide"])
    def refuse(self, request: HttpRequest, chosen: QuerySet[Approval]) -> None:
        self._decide(request, chosen, approve=False)

    def _decide(self, request: HttpRequest, chosen: QuerySet[Approval], *, approve: bool) -> None:
        assert isinstance(request.user, User)
        for approval in chosen:
            try:
                decide(approval, approve=approve, user=request.user)
            except ApprovalError as error:
                messages.error(request, f"{approval}: {error}.")
            else:
                messages.success(request, f"{approval}: {'approved' if approve else 'refused'}.")
