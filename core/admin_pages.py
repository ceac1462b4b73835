"""Admin pages whose doors the roles open (core/roles.py), and pages that only show."""

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from core.roles import Action, may

_LOOKUP = re.compile(r"(\w+_id__|id__|code__)?(exact|in|isnull|isempty)|gte|gt|lte|lt|day|month|year")


class ByRole:
    """What a page of the site asks of whom: an action of core/roles.py for each of Django's four."""

    action_to_view = Action.READ
    action_to_change = Action.WRITE
    action_to_delete = Action.DELETE

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return whether an address may ask this: only what the page's own filters do, or any column could be guessed."""
        offered = [item[0] if isinstance(item, tuple) else item for item in getattr(self, "list_filter", ())]
        names = [str(getattr(item, "parameter_name", item)) for item in offered]
        names += [name for name in [getattr(self, "date_hierarchy", None)] if name]
        return any(lookup == name or _LOOKUP.fullmatch(lookup.removeprefix(f"{name}__")) for name in names)

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

    def own_view(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """Return a view beside Django's own, for get_urls(): for who is logged in, and known to be of this page."""
        wrapped: Any = self.admin_site.admin_view(view)
        wrapped.model_admin = self
        return wrapped


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
