"""Admin pages whose doors the roles open (core/roles.py), and pages that only show."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from core.roles import Action, may


class ByRole:
    """What a page of the site asks of whom: an action of core/roles.py for each of Django's four."""

    action_to_view = Action.READ
    action_to_change = Action.WRITE
    action_to_delete = Action.DELETE

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, self.action_to_view)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return may(request.user, self.action_to_view)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return may(request.user, self.action_to_change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return may(request.user, self.action_to_change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return may(request.user, self.action_to_delete)


class RoleAdmin(ByRole, ModelAdmin):
    """A page of the site."""


class RoleTabularInline(ByRole, TabularInline):
    """Rows of a page, one a line; who may edit the page may take them away."""

    action_to_delete = Action.WRITE


class RoleStackedInline(ByRole, StackedInline):
    """Rows of a page, one a block; who may edit the page may take them away."""

    action_to_delete = Action.WRITE


class ReadOnlyAdmin(RoleAdmin):
    """Browse and search, never add, change or delete: for what the pipeline writes and no person edits."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return False
