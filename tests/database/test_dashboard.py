"""The front page, a run's report, and the quality of one facility."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from core.models import User
from etl.dashboard import _page_of
from etl.facility_quality import validate_facility
from etl.models import ImportRun, QualitySnapshot
from etl.rejects import RejectFilter, discard
from etl.stages.recommend import IN_ADMIN, LIST_BY_RULE, STALE_CONTACTS
from facilities.models import Facility, FacilityContact
from geography.models import County
from tests.site import visitor
from tests.world import RAW, run_import

pytestmark = pytest.mark.django_db
FRONT = "/admin/"


def page(role: str, address: str = FRONT) -> str:
    answer = visitor(role).get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_front_page_shows_the_registry_at_a_glance(imported: dict[str, Any]) -> None:
    html = page("viewer")
    for words in (
        "facilities in service",
        "open rejects",
        "possible duplicates",
        "contacts to verify",
        "quality score",
    ):
        assert words in html
    assert f"Run {imported['run']}" in html
    assert "manage.py rejects list --rule not-a-station" not in html  # a viewer cannot run it
    assert "manage.py rejects list --rule not-a-station" in page("data_engineer")
    assert 'role="alert"' not in html
    assert "<svg" in html


def test_every_metric_leads_to_what_lowers_it(imported: dict[str, Any]) -> None:
    browser = visitor("viewer")
    metrics = browser.get(FRONT).context["metrics"]
    assert [metric["name"] for metric in metrics] == [
        "completeness",
        "accuracy",
        "consistency",
        "timeliness",
        "uniqueness",
    ]
    assert {browser.get(metric["url"]).status_code for metric in metrics} == {200}


def test_what_lowers_completeness_and_accuracy_is_as_much_as_the_report_says(imported: dict[str, Any]) -> None:
    browser, metrics = visitor("viewer"), QualitySnapshot.objects.get().metrics
    missing = metrics["completeness"]["by_field"]["location"]
    found = browser.get("/admin/facilities/facility/?missing=location").context["cl"].result_count
    assert found == missing["denominator"] - missing["numerator"]
    faulted = metrics["accuracy"]
    found = browser.get("/admin/etl/sourcerecordversion/?metric=accuracy").context["cl"].result_count
    assert found == faulted["denominator"] - faulted["numerator"]


def test_an_old_success_is_a_red_banner(imported: dict[str, Any]) -> None:
    long_ago = timezone.now() - timedelta(hours=settings.ETL_FRESH_HOURS + 1)
    ImportRun.objects.update(started_at=long_ago, finished_at=long_ago)
    html = page("viewer")
    assert 'role="alert"' in html
    assert "The last successful import ended" in html


def test_missing_backups_are_a_red_banner_for_who_runs_imports(
    imported: dict[str, Any], settings: Any, tmp_path: Path
) -> None:
    settings.BACKUP_DIR = tmp_path
    assert "Backups:" not in page("data_engineer")  # the registry is new
    settings.BACKUP_FRESH_HOURS = 0  # it is no more
    assert "Backups: none yet: run manage.py backup_database, and schedule it." in page("data_engineer")
    assert "Backups:" not in page("viewer")


def test_a_registry_without_any_success_says_so(db: None, tmp_path: Any) -> None:
    run_import(tmp_path, "regional")
    assert "No import has succeeded yet" in page("viewer")


def test_an_empty_registry_names_the_next_step(db: None) -> None:
    html = page("viewer")
    assert "The registry is empty" in html
    assert "manage.py import_facilities" in html


def test_nobody_without_a_role_sees_a_number(imported: dict[str, Any]) -> None:
    assert "facilities in service" not in page("no-role")


def test_a_runs_report_is_one_page(imported: dict[str, Any]) -> None:
    html = page("viewer", f"/admin/etl/importrun/{imported['run']}/report/")
    assert "By source" in html
    assert "The five metrics" in html
    assert "<script" not in html


def test_a_run_without_a_statement_has_no_report(imported: dict[str, Any]) -> None:
    ImportRun.objects.update(summary={})
    answer = visitor("viewer").get(f"/admin/etl/importrun/{imported['run']}/report/")
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/etl/importrun/{imported['run']}/change/")


def test_the_run_page_compares_with_the_run_before(imported: dict[str, Any]) -> None:
    again = run_import(RAW)
    html = page("viewer", f"/admin/etl/importrun/{again['run']}/change/")
    assert "98 %, missed" in html
    assert "as before" in html


# one facility


def open_one(**where: Any) -> Facility:
    facility = Facility.objects.with_details().filter(is_confidential=False, **where).first()
    assert facility is not None
    return facility


def test_a_facility_of_the_samples_is_valid_and_has_a_score(imported: dict[str, Any]) -> None:
    for facility in Facility.objects.with_details()[:40]:
        quality = validate_facility(facility)
        assert (quality.schema_valid, quality.business_rules_valid) == (True, True), facility.facility_code
        assert quality.quality_score is not None
        assert 0 < quality.quality_score <= 100


def test_a_facility_that_shares_a_brands_number_is_said_to_be_odd(imported: dict[str, Any]) -> None:
    (found,) = QualitySnapshot.objects.get().anomalies["found"]
    facility = Facility.objects.with_details().get(facility_code=found["facilities"][0])
    assert validate_facility(facility).anomalies_detected == ("phone-on-many-facilities",)


def test_a_contact_that_breaks_a_rule_makes_a_facility_invalid(imported: dict[str, Any]) -> None:
    facility = open_one(contacts__contact_type__code="phone")
    sound = validate_facility(facility).quality_score
    contact = FacilityContact.objects.filter(facility=facility, contact_type__code="phone")[0]
    contact.contact_value = "07220"
    contact.save()
    quality = validate_facility(Facility.objects.with_details().get(pk=facility.pk))
    assert not quality.business_rules_valid
    assert "contact-invalid: contacts" in quality.findings
    assert quality.quality_score is not None
    assert sound is not None
    assert quality.quality_score < sound


def test_a_facility_in_another_county_than_its_record_says_is_less_consistent(imported: dict[str, Any]) -> None:
    facility = Facility.objects.with_details().get(pk=open_one().pk)
    before = validate_facility(facility)
    elsewhere = County.objects.exclude(pk=facility.county_id)[0]
    Facility.objects.filter(pk=facility.pk).update(county=elsewhere, constituency=None, ward=None)
    now = validate_facility(facility)
    assert (before.quality_score or 0) - (now.quality_score or 0) == pytest.approx(20)  # the weight of consistency


def test_a_next_step_in_admin_leads_to_the_page_that_it_names() -> None:
    below = {
        "facility-type-unknown": "facilitytype/",
        "status-unknown": "operationalstatus/",
        "service-unknown": "servicecategory/",
    }
    assert {rule: _page_of(f"{IN_ADMIN}{page}") for rule, page in LIST_BY_RULE.items()} == {
        rule: f"/admin/facilities/{address}" for rule, address in below.items()
    }
    assert _page_of(f"{IN_ADMIN}{STALE_CONTACTS}") == "/admin/facilities/facility/stale-contacts/"


def test_a_facilitys_page_says_its_quality(imported: dict[str, Any]) -> None:
    html = page("data_engineer", f"/admin/facilities/facility/{open_one().pk}/change/")
    assert "fits the schema; keeps the rules" in html


def test_after_an_undo_the_front_page_shows_what_the_registry_is_like_without_it(imported: dict[str, Any]) -> None:
    later = run_import(RAW, "regional")
    ImportRun.objects.filter(pk=later["run"]).update(undone_by=imported["run"])
    shown = visitor("viewer").get(FRONT).context
    assert [tile.url for tile in shown["tiles"] if "quality" in tile.label] == [
        f"/admin/etl/importrun/{imported['run']}/report/"
    ]
    assert [tile.label.split(",")[0] for tile in shown["tiles"] if tile.number == f"Run {later['run']}"] == ["undone"]


def test_a_next_step_speaks_of_admin_and_leads_to_where_it_is_done(imported: dict[str, Any]) -> None:
    steps = {step["why"].split()[0]: step for step in visitor("viewer").get(FRONT).context["next_steps"]}
    assert steps["service-unknown"]["url"] == "/admin/facilities/servicecategory/"
    assert "fixtures/" not in "".join(step["why"] for step in steps.values())


def test_a_report_leads_back_to_its_run_and_says_that_it_was_undone(imported: dict[str, Any]) -> None:
    number = imported["run"]
    html = page("viewer", f"/admin/etl/importrun/{number}/report/")
    assert f'href="/admin/etl/importrun/{number}/change/"' in html
    ImportRun.objects.filter(pk=number).update(undone_by=number)
    assert f"undone by run {number}" in page("viewer", f"/admin/etl/importrun/{number}/report/")


def test_what_was_settled_since_the_last_run_is_no_next_step(imported: dict[str, Any]) -> None:
    assert "rejected by not-a-station" in page("viewer")

    discard(RejectFilter(rule="not-a-station"), user=User.import_user())

    shown = page("viewer")
    assert "rejected by not-a-station" not in shown
    assert "rejected by name-missing" in shown
