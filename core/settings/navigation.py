"""How the admin looks and what its sidebar offers: the settings of django-unfold."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def is_about_facilities(request: Any) -> bool:
    """Return whether a page is the list of facilities or one of them, and no page of the navigation's own below it."""
    facilities = reverse("admin:facilities_facility_changelist")
    below = request.path.removeprefix(facilities)
    return bool(request.path.startswith(facilities) and not below.startswith(("find-help/", "map/", "stale-contacts/")))


def is_front_page(request: Any) -> bool:
    """Return whether a page is the front page, and none below it."""
    return bool(request.path == reverse("admin:index"))


def _page(title: str, icon: str, name: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}"), **more}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "GVRC Admin",
    "SITE_HEADER": "GVRC Admin",
    "SITE_SUBHEADER": "Facility registry",
    "SITE_SYMBOL": "health_and_safety",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("favicon.svg")}],
    "STYLES": [lambda _: static("core/accessible.css")],
    "SCRIPTS": [lambda _: static("core/accessible.js")],
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "etl.dashboard.dashboard",
    "COLORS": {
        "primary": {
            "50": "#f4f1fa",
            "100": "#e8e1f5",
            "200": "#d3c6eb",
            "300": "#b6a0dd",
            "400": "#ab93d7",
            "500": "#a085d1",  # unfold's text on the dark ground: 4.7:1 on its lightest
            "600": "#66419b",
            "700": "#53347e",
            "800": "#452d67",
            "900": "#3a2855",
            "950": "#231537",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Registry",
                "items": [
                    _page("Overview", "dashboard", "index", active=is_front_page),
                    _page("Find help", "travel_explore", "facilities_facility_find_help"),
                    _page("Facilities", "local_hospital", "facilities_facility_changelist", active=is_about_facilities),
                    _page("Map", "explore", "facilities_facility_map"),
                    _page("Stale contacts", "phone_missed", "facilities_facility_stale_contacts"),
                    _page("Counties", "map", "geography_county_changelist"),
                    _page("Constituencies", "location_city", "geography_constituency_changelist"),
                    _page("Wards", "pin_drop", "geography_ward_changelist"),
                    _page("Place aliases", "spellcheck", "geography_placealias_changelist"),
                ],
            },
            {
                "title": "Imports",
                "separator": True,
                "items": [
                    _page("Import now", "upload_file", "etl_runrequest_add", permission="core.roles.may_import"),
                    _page("Runs", "sync", "etl_importrun_changelist"),
                    _page("Source records", "description", "etl_sourcerecord_changelist"),
                    _page("Rejects", "report", "etl_sourcerecordversion_by_rule"),
                    _page("Possible duplicates", "join_inner", "etl_duplicatepair_changelist"),
                ],
            },
            {
                "title": "Lists and people",
                "separator": True,
                "collapsible": True,
                "items": [
                    _page("Facility types", "category", "facilities_facilitytype_changelist"),
                    _page("Service categories", "medical_services", "facilities_servicecategory_changelist"),
                    _page("Operational statuses", "toggle_on", "facilities_operationalstatus_changelist"),
                    _page("Contact types", "call", "facilities_contacttype_changelist"),
                    _page("Audit trail", "history", "core_auditentry_changelist"),
                    _page("Approvals", "how_to_reg", "core_approval_changelist", permission="core.roles.may_decide"),
                    _page("Access log", "visibility", "core_accesslog_changelist", permission="core.roles.may_decide"),
                    _page("Users", "person", "core_user_changelist", permission="core.roles.may_manage_users"),
                    _page("Roles", "group", "auth_group_changelist", permission="core.roles.may_manage_users"),
                ],
            },
        ],
    },
}
