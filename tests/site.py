"""Every address of the site, from the URL resolver, and a person of each role who visits it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from core.models import User
from core.roles import ROLES
from facilities.models import Facility

PEOPLE = ("anonymous", "no-role", *ROLES, "superuser")
METHODS = ("GET", "POST")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
Row = Callable[[type[Any]], object]  # model -> primary key of the row that an address names


def patterns() -> list[tuple[str, Any]]:
    """Return every address as a template, such as admin/facilities/facility/<path:object_id>/change/, with its view."""
    return sorted(_walk(get_resolver(), ""), key=lambda found: found[0])


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        template = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, template)
        elif isinstance(entry, URLPattern):
            yield template, entry.callback


def address_of(template: str, view: Any, row: Row) -> str:
    """Return an address that the template stands for; `row` says which row of its model."""
    model = getattr(getattr(view, "model_admin", None), "model", Facility)
    filled = {
        "<path:object_id>": str(row(model)),
        "<int:pk>": str(a_confidential_place()),
        "<id>": str(row(User)),
        "<int:content_type_id>": str(ContentType.objects.get_for_model(Facility).pk),
        "<path:content_type_id>": str(ContentType.objects.get_for_model(Facility).pk),
        r"^(?P<app_label>core|geography|facilities|etl|auth)/$": "facilities/",
        r"(?P<url>.*)$": "no/such/page/",
    }
    for name, value in filled.items():
        template = template.replace(name, value)
    if "(?P<app_label>" in template:
        template = template[: template.index("^(?P")] + "facilities/"
    assert not set("<>^$(") & set(template), f"tests/site.py does not know how to fill {template}"
    return "/" + template


def a_confidential_place() -> object:
    return Facility.objects.filter(is_confidential=True).order_by("pk").values_list("pk", flat=True).first()


def first_row(model: type[Any]) -> object:
    return model._default_manager.order_by("pk").values_list("pk", flat=True).first()


def visitor(role: str) -> Client:
    """Return a browser in which a person of a role is logged in; a server error answers as in production."""
    browser = Client(raise_request_exception=False)
    if role != "anonymous":
        browser.force_login(person(role))
    return browser


def person(role: str) -> User:
    user, created = User.objects.get_or_create(
        username=f"a-{role}", defaults={"is_staff": True, "is_superuser": role == "superuser", "date_joined": LONG_AGO}
    )
    if created and role in ROLES:
        user.groups.add(Group.objects.get(name=role))
    return user


def registered_models() -> list[type[Any]]:
    return list(admin.site._registry)
