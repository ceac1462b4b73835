"""Who may do what, and how well each column is protected: both are declared here, once."""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from django.db import connection


class Action(StrEnum):
    """What a role may do: the document's six actions, and the three that this registry asks for beside them."""

    READ = "read"
    QUERY = "query"
    WRITE = "write"
    TRANSFORM = "transform"
    DELETE = "delete"
    MANAGE_USERS = "manage_users"
    EXPORT_PUBLIC = "export_public"
    EXPORT_INTERNAL = "export_internal"
    REVEAL = "reveal"


ACTIONS: Mapping[Action, str] = MappingProxyType(
    {
        Action.READ: "read the registry, without personal and protected values",
        Action.QUERY: "search by contact",
        Action.WRITE: "edit facilities and lists, and see personal values of open places",
        Action.TRANSFORM: "import, replay, undo, merge and split",
        Action.DELETE: "delete what no facility uses",
        Action.MANAGE_USERS: "manage users, and read the access log",
        Action.EXPORT_PUBLIC: "export for the public",
        Action.EXPORT_INTERNAL: "export personal values for work inside the centre",
        Action.REVEAL: "see one protected value of a confidential place, with a reason",
    }
)

SAFEGUARDING = "safeguarding_lead"
IMPORT_USER = "import"  # the system user that commands work as; it cannot log in
SYSTEM_ROLE = "data_engineer"
ROLES: Mapping[str, frozenset[Action]] = MappingProxyType(
    {
        "viewer": frozenset({Action.READ}),
        "data_analyst": frozenset({Action.READ, Action.QUERY, Action.EXPORT_PUBLIC}),
        "data_engineer": frozenset(
            {Action.READ, Action.WRITE, Action.TRANSFORM, Action.EXPORT_PUBLIC, Action.EXPORT_INTERNAL}
        ),
        SAFEGUARDING: frozenset({Action.READ, Action.REVEAL}),
        "admin": frozenset(
            {
                Action.READ,
                Action.WRITE,
                Action.DELETE,
                Action.MANAGE_USERS,
                Action.EXPORT_PUBLIC,
                Action.EXPORT_INTERNAL,
            }
        ),
    }
)


def may(user: Any, action: Action) -> bool:
    """Return whether a user may do this.

    Nothing grants REVEAL but being a member of the safeguarding group, which two people decide: no superuser's right, and
    no permission given to a user or to another group.
    """
    if user.get_username() == IMPORT_USER:
        return action in ROLES[SYSTEM_ROLE]  # it cannot log in: commands work as it
    if not user.is_active:
        return False
    if action is Action.REVEAL:
        return bool(user.is_authenticated and user.groups.filter(name=SAFEGUARDING).exists())
    return bool(user.has_perm(f"core.{action}"))


def may_manage_users(request: Any) -> bool:
    """Return whether the navigation shows users and roles."""
    return may(request.user, Action.MANAGE_USERS)


def may_decide(request: Any) -> bool:
    """Return whether the navigation shows approvals and the access log."""
    return may(request.user, Action.REVEAL) or may_manage_users(request)


def may_import(request: Any) -> bool:
    """Return whether the navigation shows what imports."""
    return may(request.user, Action.TRANSFORM)


def keep_roles(*, apps: Any, **_: Any) -> None:
    """Bring permissions and groups to what is declared here after every migration, once their tables are there."""
    tables = connection.introspection.table_names()
    if {"auth_group", "auth_permission", "django_content_type", "access_log"} <= set(tables):
        make_roles(apps)


def make_roles(apps: Any) -> None:
    """Create the permissions and the groups of ROLES, each group with just its own; a migration calls it, too."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="core", model="accesslog"
    )
    permissions = {
        action: apps.get_model("auth", "Permission").objects.update_or_create(
            content_type=content_type, codename=action.value, defaults={"name": f"May {words}"}
        )[0]
        for action, words in ACTIONS.items()
    }
    for name, actions in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.set([permissions[action] for action in sorted(actions)])


class FieldClass(StrEnum):
    """How well a value is protected, the strictest last."""

    PUBLIC = "public"  # may be printed whole by anybody
    INTERNAL = "internal"  # for people of the centre, and of no use to anybody else
    PERSONAL = "personal"  # reaches a person: masked, unless somebody works on it
    PROTECTED = "protected"  # may lead to a confidential place: one at a time, with a reason, to safeguarding only


PUBLIC, INTERNAL, PERSONAL, PROTECTED = FieldClass
_PUBLIC_OF_FACILITIES = (
    "facility_id", "facility_code", "facility_name", "facility_type", "operational_status_id",
    "county_id", "constituency_id", "ward_id", "town", "level", "ownership", "opening_hours", "website",
    "has_gender_desk", "is_confidential", "is_active",
)  # fmt: skip
# The class of every column of every table: "table.column", or a pattern. The first that fits counts. `OF_CONFIDENTIAL` says
# which are of a stricter class for a confidential place; those lie in a sealed column there (facilities/protection.py).
FIELD_CLASSES: Mapping[str, FieldClass] = MappingProxyType(
    {
        "facilities.sealed_details": PROTECTED,
        "facilities.address": PERSONAL,
        "facilities.created_*": INTERNAL,
        "facilities.updated_*": INTERNAL,
        "facilities.registration_number": INTERNAL,
        # one by one: a new column is in no export until somebody says so
        **dict.fromkeys((f"facilities.{name}" for name in _PUBLIC_OF_FACILITIES), PUBLIC),
        "facility_contacts.contact_value": PERSONAL,
        "facility_contacts.value_index": INTERNAL,
        "facility_contacts.contact_id": PUBLIC,
        "facility_contacts.facility_id": PUBLIC,
        "facility_contacts.contact_type_id": PUBLIC,
        "facility_contacts.is_primary": PUBLIC,
        "facility_contacts.verified_*": INTERNAL,
        "facility_contacts.verification_method": INTERNAL,
        "facility_coordinates.sealed_position": PROTECTED,
        "facility_coordinates.coordinate_id": PUBLIC,
        "facility_coordinates.facility_id": PUBLIC,
        "facility_coordinates.latitude": PUBLIC,
        "facility_coordinates.longitude": PUBLIC,
        "facility_coordinates.accuracy_level": PUBLIC,
        "facility_services.*": PUBLIC,
        "retired_codes.*": INTERNAL,
        "pins.*": INTERNAL,
        "facility_types.*": PUBLIC,
        "service_categories.*": PUBLIC,
        "operational_statuses.*": PUBLIC,
        "contact_types.*": PUBLIC,
        "counties.*": PUBLIC,
        "constituencies.*": PUBLIC,
        "wards.*": PUBLIC,
        "place_aliases.*": PUBLIC,
        "source_record_versions.raw": PROTECTED,
        "source_record_versions.standardised": PROTECTED,
        "source_record_versions.*": INTERNAL,
        "source_records.*": INTERNAL,
        "source_files.*": INTERNAL,
        "import_runs.*": INTERNAL,
        "quality_snapshots.*": INTERNAL,
        "run_requests.*": INTERNAL,
        "duplicate_pairs.*": INTERNAL,
        "field_choices.*": INTERNAL,
        "users.email": PERSONAL,
        "users.first_name": PERSONAL,
        "users.last_name": PERSONAL,
        "users.*": INTERNAL,
        "users_groups.*": INTERNAL,
        "users_user_permissions.*": INTERNAL,
        "audit_trail.old_values": PROTECTED,
        "audit_trail.new_values": PROTECTED,
        "audit_trail.*": INTERNAL,
        "access_log.reason": PROTECTED,
        "access_log.ip": PERSONAL,
        "access_log.*": INTERNAL,
        "approvals.reason": PROTECTED,
        "approvals.*": INTERNAL,
        "key_checks.known_text": PROTECTED,
        "key_checks.*": INTERNAL,
        "auth_group.*": INTERNAL,
        "auth_group_permissions.*": INTERNAL,
        "auth_permission.*": INTERNAL,
        "django_admin_log.*": INTERNAL,
        "django_content_type.*": INTERNAL,
        "django_session.*": PERSONAL,
        # etl/tasks.py gives a task the number of a row only, and lets no error out; another task might not
        "django_tasks_database_dbtaskresult.args_kwargs": PROTECTED,
        "django_tasks_database_dbtaskresult.return_value": PROTECTED,
        "django_tasks_database_dbtaskresult.traceback": PROTECTED,
        "django_tasks_database_dbtaskresult.*": INTERNAL,
        "axes_*.*": PERSONAL,
    }
)
OF_CONFIDENTIAL: frozenset[str] = frozenset(
    {
        "facilities.facility_name",
        "facilities.registration_number",
        "facilities.constituency_id",
        "facilities.ward_id",
        "facilities.town",
        "facilities.address",
        "facilities.ownership",
        "facilities.opening_hours",
        "facilities.website",
        "facility_contacts.contact_value",
        "facility_coordinates.latitude",
        "facility_coordinates.longitude",
    }
)


def class_of(column: str, *, is_confidential: bool = False) -> FieldClass:
    """Return the class of "table.column"; raises LookupError where it was given none."""
    if is_confidential and column in OF_CONFIDENTIAL:
        return PROTECTED
    for pattern, field_class in FIELD_CLASSES.items():
        if fnmatchcase(column, pattern):
            return field_class
    raise LookupError(f"{column} has no protection class: give it one in core/roles.py")
