"""An internal export read back: the same registry is unchanged by it, an empty one becomes the same, a hostile one is refused."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from core.models import User
from core.state import state_hash
from etl.decisions import MergeOrder, merge
from etl.models import DuplicatePair, SourceRecord, SourceRecordVersion
from etl.rejects import RejectFilter, replay
from etl.stages.canonical import from_export, to_canonical
from etl.undo import undo_import
from facilities.export import Audience, Export, Format, write_export
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    Pin,
    RetiredCode,
    ServiceCategory,
)
from facilities.pins import pin
from geography.models import County
from tests.sampling import in_full
from tests.world import RAW, REGISTRY_TABLES, provider, registry, row_versions, run_import, write_providers

pytestmark = pytest.mark.django_db
Totals = dict[str, int]


def export_text(audience: str = "internal") -> str:
    out = io.StringIO()
    write_export(Export(Format.JSON, Audience(audience)), out)
    return out.getvalue()


def records() -> list[dict[str, Any]]:
    return json.loads(export_text())["facilities"]


def write_canonical(folder: Path, what: str | list[Any]) -> None:
    text = what if isinstance(what, str) else json.dumps({"audience": "internal", "facilities": what})
    (folder / "canonical.json").write_text(text, encoding="utf-8")


def read_back(folder: Path, what: str | list[Any] | None = None, **options: Any) -> dict[str, Any]:
    """Return the summary of importing an export, by default that of the registry as it is."""
    write_canonical(folder, export_text() if what is None else what)
    return run_import(folder, "canonical", **options)


def counts(summary: dict[str, Any]) -> Totals:
    """Return the counts that are not zero."""
    return {name: count for name, count in summary["totals"].items() if count}


def rejects(summary: dict[str, Any]) -> dict[str, int]:
    return dict(summary["rejects_by_rule"])


def empty_the_registry() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE source_records SET latest_version_id = NULL, good_version_id = NULL, home_id = NULL")
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in REGISTRY_TABLES))


@pytest.fixture
def move_to_another_machine(settings: Any) -> Callable[[], None]:
    """Return a function after which the registry is empty and its keys are others."""

    def move() -> None:
        empty_the_registry()
        with connection.cursor() as cursor:  # another machine's database knows other keys
            cursor.execute(
                "SET LOCAL ROLE postgres; DELETE FROM key_checks; DELETE FROM access_log; SET LOCAL ROLE gvrc_app"
            )
        settings.FIELD_KEYS = "the field key of another machine that is long enough"
        settings.INDEX_KEY = "the index key of another machine that is long enough"

    return move


def a_record(code: str = "GVRC-AAAA-BBBB-CCCC", **fields: Any) -> dict[str, Any]:
    location = {"county": "047", **fields.pop("location", {})}
    return {"facility_code": code, "facility_name": "Amani Clinic", "location": location} | fields


def a_facility(code: str = "GVRC-AAAA-BBBB-CCCC", **fields: Any) -> Facility:
    county = County.objects.get(county_code=fields.pop("county", "047"))
    return Facility.objects.create(facility_code=code, county=county, **{"facility_name": "Amani Clinic"} | fields)


def a_contact(facility: Facility, value: str, *, kind: str = "phone", is_primary: bool = False) -> FacilityContact:
    return FacilityContact.objects.create(
        facility=facility, contact_type=ContactType.objects.get(code=kind), contact_value=value, is_primary=is_primary
    )


@pytest.fixture
def odd(imported: dict[str, Any]) -> None:
    """A registry in which people worked: odd values, a merge, places out of service, contacts of which none is primary."""
    user = User.import_user()
    entered = a_facility(
        facility_name="AMANI  centre, 0722 000 001", town="Kwa  Njenga", website="not a web address", level="Ⅳ",
        opening_hours="N/A", has_gender_desk=False, registration_number="own/7", address="Line one\nline two",
    )  # fmt: skip
    a_contact(entered, "0722 000 001")
    a_contact(entered, "call the chief", kind="hotline", is_primary=True)
    a_contact(entered, "+254722000002")
    FacilityCoordinate.objects.create(
        facility=entered, latitude="51.50000000", longitude="-0.12000001", accuracy_level="place-centre"
    )
    FacilityService.objects.create(facility=entered, service_category=ServiceCategory.objects.get(code="legal-aid"))
    a_facility("GVRC-OUT1", facility_name="12345", is_active=False)
    opened = Facility.objects.filter(is_confidential=False, is_active=True)
    one, other, third, fourth = opened.exclude(contacts=None).order_by("facility_code")[:4]
    Facility.objects.filter(pk=one.pk).update(facility_name="A new name", is_active=False)
    pin(one, {"facility_name", "is_active"}, user=user)
    first = fourth.contacts.filter(is_primary=True).first()
    a_contact(fourth, "+254733000009", kind=first.contact_type.code)
    Pin.objects.create(facility=fourth, target=f"contact:{first.contact_type.code}:{first.value_index}")
    first.delete()  # as a person takes a number away: the one beside it is not the primary one by that
    merge(MergeOrder((other.facility_code, third.facility_code), keep=other.facility_code), user=user)


# the same registry


def test_the_same_registry_is_unchanged_by_its_own_export(imported: dict[str, Any], tmp_path: Path) -> None:
    summary = read_back(tmp_path, dry_run=True)
    assert counts(summary) == {"read": len(records()), "unchanged": len(records())}
    assert summary["duplicates"] == {"merged": 0, "to_review": 0}
    assert summary["status"] == "succeeded"


@in_full
def test_what_people_did_is_unchanged_by_its_export(odd: None, tmp_path: Path) -> None:
    read = len(records())
    assert counts(read_back(tmp_path, dry_run=True)) == {"read": read, "unchanged": read}
    before, rows, pairs = registry(), row_versions(), DuplicatePair.objects.count()
    for _ in range(2):
        assert counts(read_back(tmp_path)) == {"read": read, "unchanged": read}
    assert (registry(), row_versions(), DuplicatePair.objects.count()) == (before, rows, pairs)


def test_its_sources_are_unchanged_after_it(imported: dict[str, Any], tmp_path: Path) -> None:
    read_back(tmp_path)
    before, rows = registry(), row_versions()
    again = run_import(RAW)["totals"]
    assert (again["created"], again["updated"], again["merged"]) == (0, 0, 0)
    assert (registry(), row_versions()) == (before, rows)


@in_full
def test_its_import_can_be_undone(imported: dict[str, Any], tmp_path: Path) -> None:
    before = state_hash()
    undo_import(read_back(tmp_path)["run"], user=User.import_user())
    assert state_hash() == before
    assert not SourceRecord.objects.filter(source="canonical", facility__isnull=False).exists()


def test_what_a_person_entered_stays_a_persons_word(db: None, tmp_path: Path) -> None:
    a_facility(town="Kibera")
    read_back(tmp_path)
    assert set(SourceRecord.objects.values_list("source", flat=True)) == {"entered", "canonical"}
    assert Pin.objects.filter(target="town").exists()
    (changed,) = records()
    assert counts(read_back(tmp_path, [changed | {"location": changed["location"] | {"town": "Karen"}}])) == {
        "read": 1, "unchanged": 1,
    }  # fmt: skip
    assert Facility.objects.get().town == "Kibera"


# an empty registry on another machine


def test_an_empty_registry_becomes_the_same(
    imported: dict[str, Any], tmp_path: Path, move_to_another_machine: Callable[[], None]
) -> None:
    text = export_text()
    expected = {code: state for code, state in registry().items() if not state["is_confidential"]}
    move_to_another_machine()
    assert counts(read_back(tmp_path, text)) == {"read": len(expected), "created": len(expected)}
    assert registry() == expected
    assert export_text() == text
    assert counts(read_back(tmp_path, text)) == {"read": len(expected), "unchanged": len(expected)}


@in_full
def test_what_people_did_comes_along(odd: None, tmp_path: Path, move_to_another_machine: Callable[[], None]) -> None:
    text = export_text()
    move_to_another_machine()
    summary = read_back(tmp_path, text)
    assert rejects(summary) == {}
    assert export_text() == text
    hash_before = state_hash()
    assert counts(read_back(tmp_path)) == {"read": len(records()), "unchanged": len(records())}
    assert (export_text(), state_hash()) == (text, hash_before)


def test_neither_its_order_nor_its_parts_matter(imported: dict[str, Any], tmp_path: Path) -> None:
    text = export_text()
    mixed = random.Random(7).sample(records(), len(records()))
    empty_the_registry()
    (tmp_path / "canonical").mkdir()
    for number, part in enumerate((mixed[:50], mixed[50:])):
        (tmp_path / "canonical" / f"{number}.json").write_text(json.dumps(part))
    run_import(tmp_path, "canonical")
    assert export_text() == text


@in_full
def test_the_sources_find_their_facilities_again(imported: dict[str, Any], tmp_path: Path) -> None:
    text, before = export_text(), registry()
    empty_the_registry()
    read_back(tmp_path, text)
    totals = run_import(RAW)["totals"]
    hidden = [code for code, state in before.items() if state["is_confidential"]]
    assert totals["created"] == len(hidden)
    assert {code: state["facility_name"] for code, state in registry().items()} == {
        code: state["facility_name"] for code, state in before.items()
    }


@in_full
def test_an_export_and_its_sources_in_one_run_are_as_if_it_had_been_there(
    imported: dict[str, Any], data_dir: Path
) -> None:
    expected = registry()
    write_canonical(data_dir, export_text())
    empty_the_registry()
    run_import(data_dir, *[path.stem for path in data_dir.glob("*.json")])
    assert registry() == expected


# what it decides, and what not


def test_a_mended_value_counts_where_nobody_else_says_anything(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(1, hours="8-5"), provider(2)])
    run_import(tmp_path, "other_services")
    mended = [record | {"opening_hours": "24 hours"} for record in records()]
    assert counts(read_back(tmp_path, mended)) == {"read": 2, "updated": 1, "unchanged": 1}
    hours = dict(Facility.objects.values_list("facility_name", "opening_hours"))
    assert hours == {provider(1)["facility_name"]: "8-5", provider(2)["facility_name"]: "24 hours"}


def test_it_is_none_of_the_seven(data_dir: Path) -> None:
    write_canonical(data_dir, "no JSON at all")
    summary = run_import(data_dir)
    assert summary["status"] == "succeeded"
    assert "canonical" not in summary["sources"]
    assert run_import(data_dir, "canonical")["status"] == "failed"


def test_a_public_export_is_not_read_back(imported: dict[str, Any], tmp_path: Path) -> None:
    public = export_text("public")
    empty_the_registry()
    summary = read_back(tmp_path, public)
    assert rejects(summary) == {"raw-schema": summary["totals"]["read"]}
    assert not Facility.objects.exists()


def test_two_facilities_of_an_export_are_never_one(db: None, tmp_path: Path) -> None:
    twins = [
        a_record(f"GVRC-{n}", contacts=[{"type": "phone", "value": "+254722000001", "is_primary": True}]) for n in "AB"
    ]
    summary = read_back(tmp_path, twins)
    assert counts(summary) == {"read": 2, "created": 2}
    assert summary["duplicates"] == {"merged": 0, "to_review": 0}


def test_a_retired_code_stands_for_the_survivor(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(1), provider(5)])
    run_import(tmp_path, "other_services")
    text = export_text()
    one, other = Facility.objects.values_list("facility_code", flat=True)
    merge(MergeOrder((one, other), keep=one), user=User.import_user())
    before = registry()
    assert counts(read_back(tmp_path, text)) == {"read": 2, "unchanged": 2}
    assert registry() == before
    assert RetiredCode.objects.get().retired_code == other


# confidential places


def test_a_record_that_says_so_makes_a_place_confidential(db: None, tmp_path: Path) -> None:
    a_facility()
    secret = [record | {"is_confidential": True} for record in records()]
    assert counts(read_back(tmp_path, secret)) == {"read": 1, "updated": 1}
    assert Facility.objects.get().is_confidential
    assert Facility.objects.get().facility_name == "a confidential place"
    assert counts(read_back(tmp_path, secret)) == {"read": 1, "unchanged": 1}


@pytest.mark.parametrize("shelter", [{"facility_type": "shelter"}, {"services": ["shelter"]}])
def test_a_shelter_is_confidential_whatever_the_file_says(db: None, tmp_path: Path, shelter: dict[str, Any]) -> None:
    read_back(tmp_path, [a_record(is_confidential=False, **shelter)])
    assert Facility.objects.get().is_confidential


@pytest.mark.parametrize("says_so", [False, True])
def test_the_code_of_a_confidential_place_is_refused_and_nothing_is_told(
    db: None, tmp_path: Path, says_so: bool
) -> None:
    hidden = a_facility(facility_name="Tumaini House", town="Kibera", is_confidential=True)
    RetiredCode.objects.create(retired_code="GVRC-OLD", facility=hidden)
    before, rows = registry(), row_versions()
    spoken_of = a_record(is_confidential=says_so, road_to_Kibera="an unread member")
    summary = read_back(tmp_path, [spoken_of, a_record("GVRC-OLD"), a_record("GVRC-NEW")])
    assert rejects(summary) == {"place-confidential": 2}
    told = json.dumps([summary, list(SourceRecordVersion.objects.values("findings", "pointer"))])
    assert "Tumaini" not in told
    assert "Kibera" not in told
    del (after := registry())["GVRC-NEW"]
    assert after == before
    assert set(rows["facilities"]) < set(row_versions()["facilities"])
    assert rejects(replay(RejectFilter(source="canonical"), user=User.import_user())) == {"place-confidential": 2}


def test_an_export_from_before_a_place_was_hidden_opens_nothing(db: None, tmp_path: Path) -> None:
    place = a_facility(town="Kibera")
    text = export_text()
    read_back(tmp_path, text)
    place.refresh_from_db()
    place.is_confidential = True
    place.save()
    assert counts(read_back(tmp_path, text)) == {"read": 1, "unchanged": 1}
    assert rejects(read_back(tmp_path, text.replace("Kibera", "Karen"))) == {"place-confidential": 1}
    place.refresh_from_db()
    assert (place.is_confidential, place.town, place.details.town) == (True, "", "Kibera")


# hostile files


HOSTILE = {
    "a code with a newline": a_record("GVRC-A\n"),
    "a code in small letters": a_record("gvrc-a"),
    "a code with a path": a_record("../etc/passwd"),
    "an empty code": a_record(""),
    "a code that is a number": a_record(14586),
    "a code too long": a_record("A" * 51),
    "a code that no database holds": a_record("GVRC-\x00"),
    "no code": {"facility_name": "Amani", "location": {"county": "047"}},
    "no name": a_record(facility_name=" "),
    "a name too long": a_record(facility_name="A" * 256),
    "no place": {"facility_code": "GVRC-A", "facility_name": "Amani"},
    "a county by name": a_record(location={"county": "Nairobi"}),
    "an unknown county": a_record(location={"county": "999"}),
    "an unknown ward": a_record(location={"constituency": "275", "ward": "9999"}),
    "a ward elsewhere": a_record(location={"constituency": "275", "ward": "0001"}),
    "a ward without its constituency": a_record(location={"ward": "1369"}),
    "an unknown type": a_record(facility_type="castle"),
    "an unknown status": a_record(status="haunted"),
    "an unknown service": a_record(services=["magic"]),
    "an unknown type of contact": a_record(contacts=[{"type": "pigeon", "value": "+254722000001"}]),
    "a contact of nothing": a_record(contacts=[{"type": "phone", "value": ""}]),
    "contacts of the wrong type": a_record(contacts={"phone": "+254722000001"}),
    "a flag that is a text": a_record(is_confidential="false"),
    "in service or not": a_record(is_active="yes"),
    "a position off the map": a_record(
        location={"position": {"latitude": "91.0", "longitude": "36", "accuracy": "exact"}}
    ),
    "a position of the wrong type": a_record(
        location={"position": {"latitude": -1.2, "longitude": 36.8, "accuracy": "exact"}}
    ),
    "half a position": a_record(location={"position": {"latitude": "-1.2"}}),
    "an accuracy of its own": a_record(
        location={"position": {"latitude": "-1.2", "longitude": "36.8", "accuracy": "perfect"}}
    ),
    "a list": [a_record()],
    "a number": 7,
    "words that stand for what cannot be read": a_record(location={"address": "cannot be read"}),
}


def test_each_hostile_record_is_a_reject_with_a_rule_and_the_next_one_loads(db: None, tmp_path: Path) -> None:
    summary = read_back(tmp_path, [*HOSTILE.values(), a_record("GVRC-GOOD")])
    assert counts(summary) == {"read": len(HOSTILE) + 1, "created": 1, "rejected": len(HOSTILE)}
    rule_at = {reject["pointer"]: reject["rule"] for reject in summary["rejects"] if reject["message"]}
    rules = {name: rule_at[f"/facilities/{index}"] for index, name in enumerate(HOSTILE)}
    assert {name: rule for name, rule in rules.items() if rule != "raw-schema"} == {
        "a code that no database holds": "forbidden-character",
        "an unknown county": "hierarchy-invalid",
        "an unknown ward": "hierarchy-invalid",
        "a ward elsewhere": "hierarchy-invalid",
        "a ward without its constituency": "hierarchy-invalid",
        "an unknown type": "lookup-unknown",
        "an unknown status": "lookup-unknown",
        "an unknown service": "lookup-unknown",
        "an unknown type of contact": "lookup-unknown",
        "a list": "record-not-an-object",
        "a number": "record-not-an-object",
        "words that stand for what cannot be read": "database-refused",
    }
    assert list(registry()) == ["GVRC-GOOD"]


def test_a_code_twice_rejects_both_in_any_order_until_one_is_left(db: None, tmp_path: Path) -> None:
    one, other = a_record(facility_name="Amani Clinic"), a_record(facility_name="Baraka Clinic")
    for pair in ([one, other], [other, one]):
        assert rejects(read_back(tmp_path, [*pair, a_record("GVRC-GOOD")])) == {"code-repeated": 2}
        assert list(registry()) == ["GVRC-GOOD"]
    user = User.import_user()
    assert rejects(replay(RejectFilter(rule="code-repeated"), user=user)) == {"code-repeated": 2}
    assert counts(read_back(tmp_path, [other, a_record("GVRC-GOOD")], allow_shrink=True)) == {
        "read": 2, "created": 1, "unchanged": 1, "missing": 1,
    }  # fmt: skip
    assert registry()["GVRC-AAAA-BBBB-CCCC"]["facility_name"] == "Baraka Clinic"


def test_a_code_that_is_loaded_stays_when_it_comes_twice(db: None, tmp_path: Path) -> None:
    read_back(tmp_path, [a_record()])
    summary = read_back(tmp_path, [a_record(), a_record(facility_name="Baraka Clinic")])
    assert (counts(summary), rejects(summary)) == ({"read": 2, "unchanged": 1, "rejected": 1}, {"code-repeated": 1})
    assert registry()["GVRC-AAAA-BBBB-CCCC"]["facility_name"] == "Amani Clinic"


def test_a_broken_twin_takes_nothing_from_a_good_record(db: None, tmp_path: Path) -> None:
    summary = read_back(tmp_path, [a_record("GVRC-A\n"), a_record("GVRC-A")])
    assert counts(summary) == {"read": 2, "created": 1, "rejected": 1}
    assert rejects(summary) == {"raw-schema": 1}


def test_a_member_that_nobody_reads_is_reported(db: None, tmp_path: Path) -> None:
    read_back(tmp_path, [a_record(colour="green", location={"planet": "earth"})])
    (finding,) = SourceRecordVersion.objects.get().findings
    assert finding["rule"] == "member-unread"
    assert "colour" in finding["message"]
    assert "location.planet" in finding["message"]


# in service, and out of it


def test_a_place_that_its_list_dropped_goes_out_of_service_though_an_export_repeats_it(
    db: None, tmp_path: Path
) -> None:
    write_providers(tmp_path, [provider(n) for n in range(10)])
    run_import(tmp_path, "other_services")
    read_back(tmp_path)
    write_providers(tmp_path, [provider(n) for n in range(9)])
    assert run_import(tmp_path, "other_services", deactivate_missing=True)["deactivated"] == 1
    gone = Facility.objects.get(is_active=False)
    assert gone.facility_name == provider(9)["facility_name"]
    assert counts(read_back(tmp_path)) == {"read": 10, "unchanged": 10}
    assert Facility.objects.filter(is_active=False).count() == 1
    write_providers(tmp_path, [provider(n) for n in range(10)])
    run_import(tmp_path, "other_services")
    assert not Facility.objects.filter(is_active=False).exists()


def test_a_place_that_only_exports_named_goes_out_of_service_when_they_drop_it(db: None, tmp_path: Path) -> None:
    read_back(tmp_path, [a_record(f"GVRC-{n}") for n in range(10)])
    summary = read_back(tmp_path, [a_record(f"GVRC-{n}") for n in range(9)], deactivate_missing=True)
    assert summary["deactivated"] == 1
    assert Facility.objects.get(is_active=False).facility_code == "GVRC-9"


# the shape


def test_what_is_exported_is_what_the_ledger_keeps(imported: dict[str, Any]) -> None:
    for said in records():
        kept = to_canonical(from_export(said, source="canonical", key="id:x"))
        contacts = said.pop("contacts")
        assert {name: kept[name] for name in said} == said
        assert kept["contacts"] == [
            {"type": contact["type"], "value": contact["value"]} for contact in by_rank(contacts)
        ]


def by_rank(contacts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(contacts, key=lambda contact: not contact["is_primary"])
