"""The admin answers on every page, in a constant number of queries, and its read-only pages take no change."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.models import AccessLog, Approval, AuditEntry, User
from etl.models import DuplicatePair, ImportRun, SourceRecord, SourceRecordVersion
from facilities.models import Facility
from geography.models import Constituency, County, Ward
from tests.site import visitor
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.django_db
PAGES = list(admin.site._registry)
READ_ONLY = [
    AccessLog, Approval, AuditEntry, Group, ImportRun, SourceRecord, SourceRecordVersion, DuplicatePair, County, Constituency,
    Ward,
]  # fmt: skip
FACILITIES = "/admin/facilities/facility/"


@pytest.fixture
def browser(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("asha", "asha@example.or.ke", "a long password"))
    return client


def address(model: Any, page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def test_every_list_every_search_and_every_first_row_opens(imported: dict[str, Any], browser: Client) -> None:
    answers = {}
    for model in PAGES:
        answers[model, "list"] = browser.get(address(model, "changelist")).status_code
        answers[model, "search"] = browser.get(address(model, "changelist"), {"q": "amani"}).status_code
        for row in model._default_manager.all()[:1]:
            answers[model, "page"] = browser.get(address(model, "change", row.pk)).status_code
    assert {place: status for place, status in answers.items() if status != 200} == {}
    assert sum(page == "page" for _, page in answers) >= len(PAGES) - 2  # nobody asked for an approval, or a run


@pytest.mark.parametrize("model", [page for page in PAGES if page not in READ_ONLY], ids=lambda model: model.__name__)
def test_every_add_page_opens(browser: Client, model: Any) -> None:
    assert browser.get(address(model, "add")).status_code == 200


def test_every_facility_page_opens(imported: dict[str, Any], browser: Client) -> None:
    for pk in Facility.objects.order_by("?").values_list("pk", flat=True)[:10]:
        assert browser.get(address(Facility, "change", pk)).status_code == 200


def listed(browser: Client, **chosen: object) -> int:
    answer = browser.get(FACILITIES, chosen)
    assert answer.status_code == 200
    return int(answer.context["cl"].result_count)


def test_the_filters_by_place_narrow_the_list(imported: dict[str, Any], browser: Client) -> None:
    facility = Facility.objects.filter(ward__isnull=False).first()
    place = {"county": facility.county_id}
    in_county = listed(browser, **place)
    in_constituency = listed(browser, **place, constituency=facility.constituency_id)
    in_ward = listed(browser, **place, constituency=facility.constituency_id, ward=facility.ward_id)
    assert in_county == Facility.objects.filter(county=facility.county_id).count()
    assert in_county >= in_constituency >= in_ward >= 1


def test_the_other_filters_answer_with_what_they_say(imported: dict[str, Any], browser: Client) -> None:
    everything = Facility.objects.count()
    assert listed(browser, has_coordinates="yes") + listed(browser, has_coordinates="no") == everything
    assert listed(browser, is_confidential__exact=1) == Facility.objects.filter(is_confidential=True).count()
    assert listed(browser, facility_type__code__exact="police-station") > 50
    counselling = Facility.objects.filter(services__service_category__code="legal-aid").distinct()
    assert listed(browser, service="legal-aid") == counselling.count()


@pytest.mark.parametrize("nonsense", [{"county": "abc"}, {"ward": "9" * 30}, {"service": "none"}, {"county": "'--"}])
def test_a_filter_with_nonsense_is_no_server_error(browser: Client, nonsense: dict[str, str]) -> None:
    assert browser.get(FACILITIES, nonsense).status_code in (200, 302)


def test_search_finds_by_name_code_and_registration_number(imported: dict[str, Any], browser: Client) -> None:
    facility = Facility.objects.exclude(registration_number=None).first()
    for text in (facility.facility_name, facility.facility_code, facility.registration_number):
        assert facility in browser.get(FACILITIES, {"q": text}).context["cl"].result_list


def test_the_list_takes_as_many_queries_for_fifty_facilities_as_for_five(browser: Client, tmp_path: Path) -> None:
    used = []
    for rows in (5, 50, 200):
        write_providers(tmp_path, [provider(number) for number in range(rows)])
        run_import(tmp_path, "other_services")
        browser.get(FACILITIES)
        with CaptureQueriesContext(connection) as queries:
            browser.get(FACILITIES)
        used.append(len(queries))
    assert used[0] == used[1] == used[2]
    assert used[0] <= 25


def test_read_only_pages_offer_and_take_no_change(imported: dict[str, Any], browser: Client) -> None:
    asha = User.objects.get(username="asha")
    Approval.objects.create(
        kind="join-safeguarding", subject_id=asha.pk, subject="asha", reason="sees survivors", asked_by=asha
    )
    for model in READ_ONLY:
        row = model._default_manager.first()
        assert address(model, "add") not in browser.get(address(model, "changelist")).content.decode(), model
        refused = [
            browser.get(address(model, "add")),
            browser.post(address(model, "add"), {}),
            browser.post(address(model, "change", row.pk), {"status": "failed"}),
            browser.post(address(model, "delete", row.pk), {"post": "yes"}),
        ]
        assert [answer.status_code for answer in refused] == [403, 403, 403, 403], model
        assert model._default_manager.filter(pk=row.pk).exists()


def test_no_page_loads_anything_from_outside(imported: dict[str, Any], browser: Client) -> None:
    facility = Facility.objects.first()
    for path in ("/admin/", FACILITIES, address(Facility, "change", facility.pk), address(ImportRun, "changelist")):
        page = browser.get(path).content.decode()
        for begin in (
            'src="http',
            "src='http",
            'src="//',
            '<link href="http',
            'rel="stylesheet" href="http',
            "@import",
        ):
            assert begin not in page, path


def test_a_visitor_who_is_not_logged_in_sees_nothing(imported: dict[str, Any], client: Client) -> None:
    answer = client.get(FACILITIES)
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_a_facility_page_saved_as_it_stands_changes_no_value(imported: dict[str, Any], browser: Client) -> None:
    facility = Facility.objects.filter(contacts__isnull=False, is_confidential=False).first()
    before = [str(contact.contact_value) for contact in facility.contacts.order_by("pk")]
    form = browser.get(address(Facility, "change", facility.pk)).context
    data = {key: value for key, value in form["adminform"].form.initial.items() if value is not None}
    for formset in (inline.formset for inline in form["inline_admin_formsets"]):
        data |= {
            f"{formset.prefix}-TOTAL_FORMS": formset.initial_form_count(),
            f"{formset.prefix}-INITIAL_FORMS": formset.initial_form_count(),
        }
        for number, inner in enumerate(formset.initial_forms):
            values = inner.initial | {formset.model._meta.pk.name: inner.instance.pk, formset.fk.name: facility.pk}
            data |= {f"{formset.prefix}-{number}-{key}": value for key, value in values.items() if value is not None}
    data = {key: value for key, value in data.items() if value is not False}
    answer = browser.post(address(Facility, "change", facility.pk), data)
    assert answer.status_code == 302, answer.context and answer.context["errors"]
    assert [str(contact.contact_value) for contact in facility.contacts.order_by("pk")] == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/admin/facilities/facility/?q=nowhere-at-all", "Nothing has “nowhere-at-all”"),
        ("/admin/etl/duplicatepair/", "an import adds those that may be one"),
        ("/admin/etl/importrun/?status__exact=failed", "Nothing fits these filters"),
    ],
)
def test_an_empty_list_says_why_and_what_then(db: None, address: str, said: str) -> None:
    html = visitor("data_engineer").get(address).content.decode()
    assert said in html
    assert "yielded" not in html
