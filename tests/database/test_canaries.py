"""50 canary shelters through every raw shape: nothing of them is found anywhere outside the safeguarding role."""

import io
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F

from core.health import CHECKS, as_report, judge
from core.models import AuditEntry
from core.roles import SAFEGUARDING
from etl.models import DuplicatePair, SourceRecord, SourceRecordVersion
from etl.stages.report import to_html, to_json, to_text
from facilities.models import Facility, FacilityCoordinate
from tests.canaries import CANARIES, leaks, leaks_in_database, write_canaries
from tests.sampling import all_or_sample
from tests.site import METHODS, PEOPLE, address_of, first_row, patterns, visitor
from tests.world import RAW, SOURCE_NAMES, read_source, run_import, write_providers, write_source

pytestmark = pytest.mark.django_db


def merged_documents(folder: Path) -> None:
    """Put the sample records beside the canaries of the sources that are flat lists, so that there is something to see.

    The last two are rejected: one is a shelter in no county, the other cannot be read far enough to tell.
    """
    canaries = json.loads((folder / "other_services.json").read_text(encoding="utf-8"))
    lost = canaries.pop() | {"county": CANARIES[9].words[1]}
    unread = lost | {"facility_name": [CANARIES[9].name]}
    write_source(folder, "other_services", [*canaries, *read_source("other_services"), lost, unread])


@pytest.fixture
def summary(db: None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    caplog.set_level(logging.DEBUG)
    write_canaries(tmp_path)
    merged_documents(tmp_path)
    summary = run_import(tmp_path)
    assert summary["status"] == "succeeded"
    assert Facility.objects.filter(is_confidential=True).count() >= len(CANARIES) - 1
    assert SourceRecordVersion.objects.filter(state="rejected", source_record__source="other_services").count() == 3
    return summary


def test_the_search_for_canaries_finds_them_in_every_form() -> None:
    canary = CANARIES[17]
    import base64  # noqa: PLC0415 - here alone

    for text in (
        canary.name, canary.name.upper(), f"0722-717 913 is {canary.phone}", canary.address.encode().hex(),
        base64.b64encode(f"x{canary.name}".encode()).decode(), f"{canary.latitude}, 1", canary.longitude,
    ):  # fmt: skip
        assert leaks(text), text
    assert not leaks("a confidential place in Nairobi, 0722 000 001")


def test_the_search_reads_every_column_of_a_table_but_its_keys(imported: dict[str, Any]) -> None:
    """Keys are numbers that grow: one day one of them is the digits of a coordinate."""
    canary = CANARIES[17]
    FacilityCoordinate.objects.update(coordinate_id=F("coordinate_id") + int(canary.digits[1]))
    assert leaks_in_database() == {}
    coordinate = FacilityCoordinate.objects.first()
    FacilityCoordinate.objects.filter(pk=coordinate.pk).update(latitude=Decimal(canary.latitude))
    assert leaks_in_database() == {"facility_coordinates": {canary.digits[1]}, "audit_trail": {canary.digits[1]}}


def test_no_table_holds_a_canary(summary: dict[str, Any]) -> None:
    assert leaks_in_database() == {}


def test_no_report_no_log_line_and_no_command_tells_one(
    summary: dict[str, Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = [to_html(summary), to_json(summary), to_text(summary), caplog.text]
    told += [str(record.__dict__) for record in caplog.records]
    codes = list(Facility.objects.filter(is_confidential=True).values_list("facility_code", flat=True))[:10]
    calls = [
        ("rejects", "list"),
        ("rejects", "list", "--json"),
        ("duplicates", "list"),
        ("duplicates", "list", "--json"),
    ]
    calls += [("explain_facility", code) for code in codes]
    calls += [
        ("export_facilities", "--format", form, "--audience", audience)
        for form in ("csv", "json", "geojson")
        for audience in ("public", "internal")
    ]
    calls += [("duplicates", "show", str(pair)) for pair in DuplicatePair.objects.values_list("pk", flat=True)[:10]]
    calls += [("write_metrics",), ("health_check", "--json")]
    told += [json.dumps(as_report({check.name: judge(check) for check in CHECKS}))]
    for name, *arguments in calls:
        out = io.StringIO()
        with pytest.raises(SystemExit):
            call_command(name, *arguments, stdout=out, stderr=out)
        told.append(out.getvalue())
    call_command("breach_report", "--json")
    for service in ("shelter", "rescue", "counselling"):
        for where in (("--county", "Nairobi"), ("--near", f"{CANARIES[8].latitude},{CANARIES[8].longitude}")):
            call_command("find_facilities", "--service", service, *where, "--limit", "50", "--json")
    told += capfd.readouterr()
    assert {hit for text in told for hit in leaks(text)} == set()


def rows_of(facility: Facility) -> Any:
    """Return a function that names, for each model, a row that has to do with a confidential place."""
    record = SourceRecord.objects.filter(facility=facility).first()
    chosen = {
        Facility: facility.pk,
        SourceRecord: record.pk,
        SourceRecordVersion: record.latest_version_id,
        AuditEntry: AuditEntry.objects.filter(table_name="facilities", record_id=facility.pk).first().pk,
    }
    pair = DuplicatePair.objects.filter(first__facility__is_confidential=True).first()
    return lambda model: pair.pk if pair and model is DuplicatePair else chosen.get(model) or first_row(model)


# `make faults` sends everybody
VISITORS = all_or_sample(list(PEOPLE), ["superuser"])
SEARCHERS = all_or_sample([person for person in PEOPLE if person != "anonymous"], ["data_engineer"])


@pytest.mark.parametrize("role", VISITORS)
def test_no_page_shows_one_to_any_role(role: str, summary: dict[str, Any]) -> None:
    browser = visitor(role)
    logged_in = browser.cookies.copy()
    facility = Facility.objects.filter(is_confidential=True, coordinate__isnull=False).first()
    found = {}
    for template, view in patterns():
        address = address_of(template, view, rows_of(facility)).replace("/None/", "/1/")
        for method in METHODS:
            browser.cookies = logged_in.copy()
            with transaction.atomic():
                answer = getattr(browser, method.lower())(address)
                transaction.set_rollback(True)
            body = answer.content.decode(errors="replace") + str(answer.headers)
            if hits := leaks(body):
                found[method, address] = hits
    assert found == {}


@pytest.mark.parametrize("role", SEARCHERS)
def test_no_search_and_no_filter_finds_one(role: str, summary: dict[str, Any]) -> None:
    browser = visitor(role)
    canary = CANARIES[8]
    lists = (
        "facilities/facility",
        "etl/sourcerecord",
        "etl/sourcerecordversion",
        "etl/duplicatepair",
        "core/auditentry",
    )
    for page in lists:
        for word in (
            canary.name,
            canary.words[0],
            canary.address,
            canary.phone,
            canary.email,
            "id:90008",
            canary.latitude,
        ):
            answer = browser.get(f"/admin/{page}/", {"q": word})
            if answer.status_code == 200:
                assert answer.context["cl"].result_count == 0, (page, word)
    for service in ("shelter", "rescue", "counselling"):
        for where in ({"near": f"{canary.latitude},{canary.longitude}"}, {"county": "047"}):
            page = browser.get("/admin/facilities/facility/find-help/", {"service": service, "limit": "50", **where})
            told = page.content.decode().replace(canary.latitude, "").replace(canary.longitude, "")  # the form's echo
            assert leaks(told) == set()
    facility = Facility.objects.filter(is_confidential=True).first()
    ward = {"county": facility.county_id, "constituency": 1}
    if browser.get("/admin/facilities/facility/").status_code == 200:
        assert browser.get("/admin/facilities/facility/", ward).context["cl"].result_count == 0


def test_safeguarding_sees_one_value_at_a_time_and_nothing_before_it_asks(summary: dict[str, Any]) -> None:
    browser = visitor(SAFEGUARDING)
    facility = next(f for f in Facility.objects.filter(is_confidential=True) if "canary" in f.details.facility_name)
    page = f"/admin/facilities/facility/{facility.pk}/protected/"
    assert leaks(browser.get(page).content.decode()) == set()
    shown = browser.post(page, {"do": "reveal", "what": "facility_name", "reason": "a survivor is on her way"})
    assert facility.details.facility_name in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert leaks(browser.get(page).content.decode()) == set()


def test_what_was_written_while_a_place_lay_open_is_sealed_when_it_turns_confidential(db: None, tmp_path: Path) -> None:
    canary = CANARIES[3]
    record = {
        "facility_name": canary.name.replace("Refuge", "Clinic"), "service_type": "Counselling", "contact": f"{canary.phone}",
        "county": "Nairobi", "location": canary.address, "latitude": canary.latitude, "longitude": canary.longitude,
    }  # fmt: skip
    write_providers(tmp_path, [record])
    run_import(tmp_path, "other_services")
    facility = Facility.objects.get()
    assert not facility.is_confidential
    editor = visitor("data_engineer")
    change_in_browser(editor, facility, town=canary.words[0], ownership=canary.words[1])
    record["location"] = f"{canary.address} {canary.words[0]} Kilimani Wrd"
    write_providers(tmp_path, [record])
    run_import(tmp_path, "other_services")
    assert leaks_in_database(), "an open place lies open"
    change_in_browser(editor, facility, is_confidential="on")
    assert Facility.objects.get().is_confidential
    assert leaks_in_database() == {}
    assert Facility.objects.get().details.town == canary.words[0]


def change_in_browser(browser: Any, facility: Facility, **changes: str) -> None:
    """Send a facility's form as a browser would, with changes."""
    address = f"/admin/facilities/facility/{facility.pk}/change/"
    context = browser.get(address).context
    data = {key: value for key, value in context["adminform"].form.initial.items() if value not in (None, False)}
    for formset in (inline.formset for inline in context["inline_admin_formsets"]):
        count = formset.initial_form_count()
        data |= {f"{formset.prefix}-TOTAL_FORMS": count, f"{formset.prefix}-INITIAL_FORMS": count}
        for number, inner in enumerate(formset.initial_forms):
            values = inner.initial | {formset.model._meta.pk.name: inner.instance.pk, formset.fk.name: facility.pk}
            data |= {
                f"{formset.prefix}-{number}-{key}": value for key, value in values.items() if value not in (None, False)
            }
    answer = browser.post(address, data | changes)
    assert answer.status_code == 302, answer.context and answer.context["errors"]


def test_the_sample_files_and_their_shelters_leave_no_name_open(imported: dict[str, Any]) -> None:
    assert RAW
    assert SOURCE_NAMES
    for facility in Facility.objects.filter(is_confidential=True):
        assert facility.facility_name == "a confidential place"
        assert facility.details.facility_name
