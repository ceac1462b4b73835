"""What the reviews of part 2 found, kept from coming back."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from core.audit import audited_models
from core.models import AuditEntry, User
from core.state import state_hash
from etl.errors import ReferenceDataError
from etl.ledger import fall_back
from etl.models import SourceRecord
from etl.reference import load_reference
from etl.rejects import RejectFilter, find, find_waiting, replay
from etl.undo import undo_import
from facilities.models import Facility, FacilityCoordinate, Pin
from geography.models import PlaceAlias
from tests.sampling import all_or_sample
from tests.world import provider, registry, run_import, write_providers, write_source


def place(number: int, **more: Any) -> dict[str, Any]:
    return {"name": f"Amani {number} Clinic", "mfl_code": number, "county": "Nairobi", **more}


def deliver(folder: Path, records: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    write_source(folder, "regional", records)
    return run_import(folder, "regional", **options)


def undo(run: int) -> Any:
    return undo_import(run, user=User.import_user())


# registration numbers


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_numbers_that_are_exchanged_across_batches_all_arrive(db: None, tmp_path: Path, batch_size: int) -> None:
    deliver(tmp_path, [place(n, registration_number=f"KM{n}") for n in range(1, 9)])
    swapped = [place(n, registration_number=f"KM{n + 1 if n % 2 else n - 1}") for n in range(1, 9)]
    deliver(tmp_path, swapped, batch_size=batch_size)
    assert {f.facility_name: f.registration_number for f in Facility.objects.all()} == {
        record["name"]: record["registration_number"] for record in swapped
    }
    clashes = SourceRecord.objects.filter(good_version__findings__contains=[{"rule": "registration-number-clash"}])
    assert not clashes.exists()


def test_a_pinned_number_stays_with_its_facility(db: None, tmp_path: Path) -> None:
    deliver(tmp_path, [place(1, registration_number="KM1"), place(2)])
    first = Facility.objects.get(registration_number="KM1")
    Pin.objects.create(facility=first, target="registration_number")
    deliver(tmp_path, [place(1, registration_number="KM9"), place(2, registration_number="KM1")])
    first.refresh_from_db()
    assert first.registration_number == "KM1"
    assert Facility.objects.exclude(pk=first.pk).get().registration_number is None


def test_an_undo_keeps_the_facility_whose_number_an_edited_one_holds(db: None, tmp_path: Path) -> None:
    deliver(tmp_path, [place(1, registration_number="KM1"), place(2, registration_number="KM2")])
    second = deliver(tmp_path, [place(1, registration_number="KM2"), place(2, registration_number="KM1")])
    edited = Facility.objects.get(registration_number="KM1")
    Facility.objects.filter(pk=edited.pk).update(town="Typed by hand")
    before = registry()
    undone = undo(second["run"])
    assert set(undone.kept) == set(before)
    assert any("its registration number is held by" in reason for reason in undone.kept.values())
    assert registry() == before


# undo


def test_a_facility_that_came_back_goes_when_that_is_undone_and_comes_back_again(db: None, tmp_path: Path) -> None:
    records = [provider(number) for number in range(10)]
    write_providers(tmp_path, records)
    run_import(tmp_path, "other_services")
    filled = state_hash()
    write_providers(tmp_path, records[:9])
    run_import(tmp_path, "other_services", deactivate_missing=True)
    without = state_hash()
    write_providers(tmp_path, records)
    returned = run_import(tmp_path, "other_services")
    undo(returned["run"])
    assert state_hash() == without
    run_import(tmp_path, "other_services")
    assert state_hash() == filled


def test_an_undone_replay_leaves_the_reject_open(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(0, county="Quonset"), *(provider(n) for n in range(1, 6))])
    run_import(tmp_path, "other_services")
    before = state_hash()
    alias = PlaceAlias.objects.create(level="county", alias="Quonset", target_code="047", kind="spelling")
    (number,) = find_waiting()
    replayed = replay(RejectFilter(ids=(number,)), user=User.import_user())
    assert replayed["totals"]["created"] == 1
    undo(replayed["run"])
    assert [version.source_record_id for version in find(RejectFilter())] == [number]
    alias.delete()
    assert state_hash() == before


def test_a_new_alias_does_not_stand_in_the_way_of_an_undo(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(number) for number in range(5)])
    first = run_import(tmp_path, "other_services")
    PlaceAlias.objects.create(level="county", alias="Nowhereland", target_code="001", kind="spelling")
    assert run_import(tmp_path, "other_services")["totals"]["unchanged"] == 5
    assert undo(first["run"]).kept == {}
    assert not Facility.objects.exists()


def test_undone_records_are_found_by_no_contact(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(number) for number in range(5)])
    undo(run_import(tmp_path, "other_services")["run"])
    assert set(SourceRecord.objects.values_list("county_code", flat=True)) == {""}
    assert not any(SourceRecord.objects.values_list("contact_indexes", flat=True))
    fall_back([])  # of nothing, nothing


def test_a_second_undo_counts_no_undo_as_a_later_change(db: None, tmp_path: Path) -> None:
    records = [provider(number) for number in range(3)]
    write_providers(tmp_path, records)
    first = run_import(tmp_path, "other_services")
    write_providers(tmp_path, [record | {"service_type": "Legal aid"} for record in records])
    second = run_import(tmp_path, "other_services")
    edited = Facility.objects.order_by("pk")[0]
    Facility.objects.filter(pk=edited.pk).update(town="Typed by hand")
    undo(second["run"])
    undo(second["run"])
    assert list(undo(first["run"]).kept) == [edited.facility_code]


# deactivation


def test_a_record_that_became_unreadable_is_not_taken_for_missing(db: None, tmp_path: Path) -> None:
    records = [json.dumps(provider(number)) for number in range(10)]
    (tmp_path / "other_services.json").write_text(f"[{','.join(records)}]")
    run_import(tmp_path, "other_services")
    (tmp_path / "other_services.json").write_text(f"[{','.join([*records[:9], '7'])}]")
    for _ in range(2):
        summary = run_import(tmp_path, "other_services", deactivate_missing=True)
        assert summary["deactivated"] == 0
        assert any("missing records stay in service" in warning for warning in summary["warnings"])
    (tmp_path / "other_services.json").write_text(f"[{','.join(records[:9])}]")
    assert run_import(tmp_path, "other_services", deactivate_missing=True)["deactivated"] == 1


# admin


def form_of(client: Client, facility: Facility) -> dict[str, Any]:
    """Return what a browser would post of the facility's page: every select sends something."""
    page = client.get(f"/admin/facilities/facility/{facility.pk}/change/")
    form = page.context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    for inline in page.context["inline_admin_formsets"]:
        for bound in (inline.formset.management_form, *inline.formset.forms):
            fields |= {bound.add_prefix(name): bound[name].value() for name in bound.fields}
    return {name: value for name, value in fields.items() if value is not None and value is not False}


@pytest.fixture
def facility(db: None, tmp_path: Path) -> Facility:
    deliver(tmp_path, [place(1)])
    return Facility.objects.get()


def test_a_browser_saves_a_facility_without_a_position(admin_client: Client, facility: Facility) -> None:
    form = form_of(admin_client, facility) | {"coordinate-0-accuracy_level": "exact", "town": "Westlands"}
    assert admin_client.post(f"/admin/facilities/facility/{facility.pk}/change/", form).status_code == 302
    assert not FacilityCoordinate.objects.exists()


@pytest.mark.parametrize(("latitude", "longitude"), [("-1.29", ""), ("", "36.8"), ("-91", "36.8"), ("-1.29", "200")])
def test_half_a_position_or_one_off_the_map_is_an_error_of_the_form(
    admin_client: Client, facility: Facility, latitude: str, longitude: str
) -> None:
    form = form_of(admin_client, facility) | {
        "coordinate-0-accuracy_level": "exact", "coordinate-0-latitude": latitude, "coordinate-0-longitude": longitude,
    }  # fmt: skip
    assert admin_client.post(f"/admin/facilities/facility/{facility.pk}/change/", form).status_code == 200
    assert not FacilityCoordinate.objects.exists()


def test_a_page_from_before_an_import_is_not_saved_over_it(
    admin_client: Client, facility: Facility, tmp_path: Path
) -> None:
    form = form_of(admin_client, facility) | {"town": "Westlands"}
    deliver(tmp_path, [place(1, level="Level 6")])
    answer = admin_client.post(f"/admin/facilities/facility/{facility.pk}/change/", form)
    assert "changed this facility after you opened the page" in answer.content.decode()
    facility.refresh_from_db()
    assert (facility.level, facility.town) == ("Level 6", "")
    assert not Pin.objects.exists()


def test_a_wrong_code_of_an_alias_is_an_error_of_the_form(admin_client: Client) -> None:
    alias = {"level": "county", "alias": "Foo", "parent_code": "", "target_code": "999", "kind": "spelling"}
    answer = admin_client.post("/admin/geography/placealias/add/", alias)
    assert "There is no county 999." in answer.content.decode()
    ward = {"level": "ward", "alias": "Foo", "parent_code": "001", "target_code": "1450", "kind": "spelling"}
    assert "does not lie in 001" in admin_client.post("/admin/geography/placealias/add/", ward).content.decode()


def test_a_wrong_code_in_the_fixture_loads_nothing(db: None, settings: Any, tmp_path: Path) -> None:
    for path in settings.FIXTURES_DIR.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "place_aliases.csv").open("a") as file:
        file.write("county,Foo,,999,spelling,\n")
    with pytest.raises(ReferenceDataError, match="alias Foo names county 999"):
        load_reference(tmp_path)
    assert not PlaceAlias.objects.filter(alias="Foo").exists()


def test_a_changed_password_leaves_an_entry_without_it(db: None) -> None:
    user = User.objects.create_user("nina", password="a long password")
    before = AuditEntry.objects.count()
    user.set_password("another long password")
    user.save()
    (entry,) = AuditEntry.objects.order_by("audit_id")[before:]
    assert entry.old_values["password"] != entry.new_values["password"]
    assert user.password not in json.dumps(entry.new_values)


def test_the_trigger_joins_without_nested_loops(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT proconfig FROM pg_proc WHERE proname = 'record_audit'")
        assert "enable_nestloop=off" in cursor.fetchone()[0]
    assert audited_models()


def test_explain_facility_names_sources_changes_and_what_is_missing(
    imported: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    every = list(Facility.objects.with_details())
    sample = [facility for number, facility in enumerate(every) if number % 8 == 0 or facility.is_confidential]
    for facility in all_or_sample(every, sample):
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("explain_facility", facility.facility_code, stdout=out)
        assert ended.value.code == 0
        told = out.getvalue()
        assert "Sources:" in told
        assert "Missing:" in told
        assert f"run {imported['run']}" in told
        hidden = [str(contact.contact_value) for contact in facility.contacts.all()]
        hidden += [facility.details.facility_name, facility.address] if facility.is_confidential else []
        assert not [text for text in hidden if text in told and text != str(facility.county) and len(text) > 5]


@pytest.mark.parametrize("batch_size", [1, 50])
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_number_that_new_places_claim_goes_to_the_smallest_code_and_the_others_name_its_holder(
    db: None, tmp_path: Path, batch_size: int, is_turned: bool
) -> None:
    records = [
        place(n, registration_number="KM1", county=county) for n, county in enumerate(("Nairobi", "Kisumu", "Nairobi"))
    ]
    deliver(tmp_path, records[::-1] if is_turned else records, batch_size=batch_size)
    first, *others = Facility.objects.order_by("facility_code")
    assert len(others) == 2
    assert first.registration_number == "KM1"
    assert [other.registration_number for other in others] == [None, None]
    told = {f.pk: f.source_records.get().good_version.findings for f in (first, *others)}
    assert not [f for f in told[first.pk] if f["rule"] == "registration-number-clash"]
    for other in others:
        (clash,) = [f for f in told[other.pk] if f["rule"] == "registration-number-clash"]
        assert first.facility_code in clash["message"]


def test_who_holds_a_number_keeps_it_whoever_claims_it_later(db: None, tmp_path: Path) -> None:
    held = place(1, registration_number="KM1")
    deliver(tmp_path, [held])
    holder = Facility.objects.get()
    claims = [place(n, registration_number="KM1", county="Kisumu") for n in range(2, 6)]
    deliver(tmp_path, [held | {"address": "Elsewhere"}, *claims])
    assert Facility.objects.get(registration_number="KM1").pk == holder.pk


@pytest.mark.parametrize("batch_size", [1, 50])
def test_who_gets_a_number_after_the_last_batch_is_updated(db: None, tmp_path: Path, batch_size: int) -> None:
    deliver(tmp_path, [place(1), place(2, county="Kisumu", registration_number="KM2")])
    changed = [
        place(1, registration_number="KM2"),
        place(2, county="Kisumu", registration_number="KM3"),
    ]
    counties = sorted(Facility.objects.values_list("county__county_code", flat=True))
    assert len(set(counties)) == 2
    assert deliver(tmp_path, changed, batch_size=batch_size)["totals"]["updated"] == 2
    changed = [
        place(1, registration_number="KM4"),
        place(2, county="Kisumu"),
    ]
    deliver(tmp_path, changed, batch_size=batch_size)
    changed = [
        place(1),
        place(2, county="Kisumu", registration_number="KM4"),
    ]
    assert deliver(tmp_path, changed, batch_size=batch_size)["totals"]["updated"] == 2


def test_where_a_facility_reaches_into_two_counties_the_batch_size_does_not_matter(db: None, tmp_path: Path) -> None:
    """One national code on many records, three of which move to another county, where a fourth one is new."""

    wajir = {"constituency": "Tarbaj", "ward": "Wargadud", "town": "Wargadud"}
    machakos = {"constituency": "Mwala", "ward": "Muthetheni", "town": "Muthetheni"}

    def record(phone: str, **more: Any) -> dict[str, Any]:
        return {"mfl_code": 7, "contacts": {"phone": phone}, **more}

    def here(phone: str) -> dict[str, Any]:
        return record(phone, name="Gahamuri Dispensary", county="Wajir", type="Dispensary", location=wajir)

    def there(phone: str) -> dict[str, Any]:
        return record(phone, name="Imani Nursing Home", county="Machakos", type="Nursing Home", location=machakos)

    before = [here(phone) for phone in ("0769261226", "0795753770", "0748479294", "0793563357", "0777374727")]
    changed = [before[0], here("0744182411")]
    changed += [
        place(10, county="Marsabit"),
        place(12, county="Meru"),
    ]  # between the two, so that a small batch is full
    changed += [there(phone) for phone in ("0774788655", "0719658925", "0710111572", "0792868647")]
    left = set()
    for batch_size in (1, 50):
        with transaction.atomic():
            deliver(tmp_path, before)
            deliver(tmp_path, changed, batch_size=batch_size, allow_shrink=True)
            left.add(state_hash())
            transaction.set_rollback(True)
    assert len(left) == 1


def test_a_newcomer_takes_nothing_from_a_facility_that_reaches_into_two_counties(db: None, tmp_path: Path) -> None:
    def listed(phone: str, county: str) -> dict[str, Any]:
        return {**place(7), "county": county, "type": "Medical Clinic", "contacts": {"phone": phone}}

    deliver(tmp_path, [listed("0722000111", "Nairobi"), listed("0733000222", "Nairobi")])
    moved = [listed("0722000111", "Nairobi"), listed("0733000222", "Kisumu")]
    deliver(tmp_path, moved)
    deliver(tmp_path, [*moved, listed("0744000333", "Nairobi")])
    phones = {str(contact.contact_value) for contact in Facility.objects.get().contacts.all()}
    assert phones == {"+254722000111", "+254733000222", "+254744000333"}
