"""The site's main pages as the server makes them: their addresses, and the seconds and queries that each takes."""

from statistics import median
from time import perf_counter
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.models import User
from etl.models import DuplicatePair, ImportRun, SourceRecordVersion
from facilities.models import Facility

VISITS = 5  # of each page, after one that fills the caches


def addresses() -> dict[str, str]:
    """Return the main pages by name; a page of one thing is that of the newest, or of the first."""
    run = ImportRun.objects.filter(kind="import").values_list("pk", flat=True).first()
    facility = Facility.objects.filter(is_confidential=False, is_active=True).values_list("pk", flat=True).first()
    pair = DuplicatePair.objects.filter(decision="to_review").values_list("pk", flat=True).first()
    reject = SourceRecordVersion.objects.filter(state="rejected").values_list("pk", flat=True).first()
    facilities = reverse("admin:facilities_facility_changelist")
    return {
        "overview": reverse("admin:index"),
        "facilities": facilities,
        "facilities, searched": f"{facilities}?q=clinic",
        "facilities of a county": f"{facilities}?county=1",
        "a facility": reverse("admin:facilities_facility_change", args=[facility]),
        "its history": reverse("admin:facilities_facility_history", args=[facility]),
        "find help": f"{reverse('admin:facilities_facility_find_help')}?service=medical&county=001",
        "stale contacts": reverse("admin:facilities_facility_stale_contacts"),
        "map": reverse("admin:facilities_facility_map"),
        "points of the map": reverse("admin:facilities_facility_map_points"),
        "runs": reverse("admin:etl_importrun_changelist"),
        "a run": reverse("admin:etl_importrun_change", args=[run]),
        "its report": reverse("admin:etl_importrun_report", args=[run]),
        "import now": reverse("admin:etl_runrequest_add"),
        "rejects by rule": reverse("admin:etl_sourcerecordversion_by_rule"),
        "rejects": f"{reverse('admin:etl_sourcerecordversion_changelist')}?state__exact=rejected",
        "a reject": reverse("admin:etl_sourcerecordversion_change", args=[reject]),
        "source records": reverse("admin:etl_sourcerecord_changelist"),
        "possible duplicates": f"{reverse('admin:etl_duplicatepair_changelist')}?decision__exact=to_review",
        "a pair": reverse("admin:etl_duplicatepair_change", args=[pair]),
        "audit trail": reverse("admin:core_auditentry_changelist"),
    }


def visit_all() -> dict[str, Any]:
    """Return for each page the median seconds of its visits and its queries, in a superuser's browser."""
    browser = a_superusers_browser()
    return {"pages": {name: _visit(browser, address) for name, address in addresses().items()}}


def a_superusers_browser() -> Client:
    """Return a browser in which somebody is logged in who sees every page."""
    user, _ = User.objects.get_or_create(username="bench", defaults={"is_staff": True, "is_superuser": True})
    browser = Client()
    browser.force_login(user)
    return browser


def count_queries(browser: Client, address: str) -> int:
    """Return how many queries a page takes; raises AssertionError where it is no page."""
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return len(queries)


def _visit(browser: Client, address: str) -> dict[str, Any]:
    queries = count_queries(browser, address)
    seconds = []
    for _ in range(VISITS):
        started = perf_counter()
        browser.get(address)
        seconds.append(perf_counter() - started)
    return {"seconds": round(median(seconds), 4), "slowest": round(max(seconds), 4), "queries": queries}
