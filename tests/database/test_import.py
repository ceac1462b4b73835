"""An import as a whole: again, dry, in parts, in another order, with records that change, go wrong or go away."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from facilities.models import Facility, FacilityContact
from geography.models import Constituency, County, PlaceAlias, Ward
from tests.world import (
    RAW,
    REGISTRY_TABLES,
    SOURCE_NAMES,
    provider,
    read_source,
    registry,
    row_counts,
    row_versions,
    run_import,
    write_providers,
    write_source,
)

pytestmark = pytest.mark.django_db


def import_providers(folder: Path, records: list[Any], **options: Any) -> dict[str, Any]:
    """Return the statement of other_services after importing these records as the whole source."""
    write_providers(folder, records)
    return run_import(folder, "other_services", **options)["sources"]["other_services"]


def counts(row: dict[str, Any]) -> dict[str, int]:
    """Return the counts that are not zero."""
    return {name: count for name, count in row.items() if name != "sha256" and count}


# again


def test_importing_twice_changes_nothing(imported: dict[str, Any]) -> None:
    again = run_import(RAW)
    totals, before = again["totals"], imported["totals"]
    assert (totals["created"], totals["updated"], totals["merged"], totals["missing"]) == (0, 0, 0, 0)
    assert totals["unchanged"] == before["read"] - before["rejected"]
    assert again["rejects_by_rule"] == imported["rejects_by_rule"]
    assert again["duplicates"] == {"merged": 0, "to_review": 0}


def test_importing_twice_writes_no_facility_and_no_child_row(imported: dict[str, Any]) -> None:
    rows, stamps = row_versions(), dict(Facility.objects.values_list("pk", "updated_at"))
    run_import(RAW)
    assert row_versions() == rows
    assert dict(Facility.objects.values_list("pk", "updated_at")) == stamps


def test_importing_twice_appends_no_version_and_no_pair(imported: dict[str, Any]) -> None:
    before = row_counts()
    run_import(RAW)
    after = row_counts()
    written = {table for table in after if after[table] != before[table]}
    assert written == {"access_log", "import_runs", "source_files", "quality_snapshots"}


def test_a_source_imported_alone_leaves_the_others_as_they_are(imported: dict[str, Any]) -> None:
    before = registry()
    summary = run_import(RAW, "kps_stations")
    assert list(summary["sources"]) == ["kps_stations"]
    assert summary["totals"]["missing"] == 0
    assert registry() == before


# places


def test_an_import_creates_no_place(db: None) -> None:
    tables = (County, Constituency, Ward, PlaceAlias)
    before = [set(table.objects.values_list()) for table in tables]
    run_import(RAW)
    assert [set(table.objects.values_list()) for table in tables] == before
    assert [table.objects.count() for table in tables[:3]] == [47, 290, 1450]


# dry


def test_a_dry_run_leaves_no_row(db: None) -> None:
    before = row_counts()
    run_import(RAW, dry_run=True)
    after = row_counts()
    del before["users"], after["users"]  # the system user of imports
    assert after == before


def test_a_dry_run_counts_what_the_real_run_does(db: None) -> None:
    dry, real = run_import(RAW, dry_run=True), run_import(RAW)
    assert (dry["run"], dry["dry_run"]) == (None, True)
    for name in ("status", "sources", "totals", "rejects_by_rule", "duplicates", "quality"):
        assert dry[name] == real[name], name


def test_a_dry_run_over_a_registry_writes_nothing(imported: dict[str, Any], data_dir: Path) -> None:
    records = read_source("other_services")
    records[0]["contact"] = "0722 999 001"
    write_source(data_dir, "other_services", records)
    rows, ledger = row_versions(), row_counts()
    assert run_import(data_dir, dry_run=True)["totals"]["updated"] == 1
    assert (row_versions(), row_counts()) == (rows, ledger)


# order


def shuffled(value: Any, chance: random.Random) -> Any:
    """Return a document with every list of records and the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return chance.sample([shuffled(item, chance) for item in value], len(value))
    return value


@pytest.mark.parametrize("seed", range(5))
def test_neither_the_order_of_records_nor_of_keys_matters(imported: dict[str, Any], tmp_path: Path, seed: int) -> None:
    expected, expected_counts = registry(), imported["totals"]
    chance = random.Random(seed)
    for name in SOURCE_NAMES:
        write_source(tmp_path, name, shuffled(read_source(name), chance))
    empty_the_registry()
    summary = run_import(tmp_path)
    assert registry() == expected
    assert summary["totals"] == expected_counts
    assert summary["duplicates"] == imported["duplicates"]


@pytest.mark.parametrize(("parts", "seed"), [(2, 1), (3, 2), (7, 3)])
def test_a_source_in_parts_gives_the_same_registry(
    imported: dict[str, Any], data_dir: Path, parts: int, seed: int
) -> None:
    expected, expected_counts = registry(), imported["totals"]
    chance = random.Random(seed)
    split(data_dir, "other_services", parts, chance)
    split(data_dir, "category_B", parts, chance)
    empty_the_registry()
    summary = run_import(data_dir)
    assert summary["status"] == "succeeded"
    assert registry() == expected
    assert summary["totals"] == expected_counts


def test_parts_after_the_whole_change_nothing(imported: dict[str, Any], data_dir: Path) -> None:
    rows = row_versions()
    split(data_dir, "other_services", 3, random.Random(4))
    totals = run_import(data_dir)["totals"]
    assert (totals["created"], totals["updated"], totals["merged"], totals["missing"]) == (0, 0, 0, 0)
    assert row_versions() == rows


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_size_of_a_batch_does_not_matter(imported: dict[str, Any], batch_size: int) -> None:
    expected = registry()
    empty_the_registry()
    run_import(RAW, batch_size=batch_size)
    assert registry() == expected


def split(folder: Path, source: str, parts: int, chance: random.Random) -> None:
    """Put a source's records, shuffled, into files of a folder named for it, in place of its single file."""
    document = read_source(source)
    records = document if isinstance(document, list) else document["organizations"]
    mixed = chance.sample(records, len(records))
    (folder / f"{source}.json").unlink()
    for number in range(parts):
        part = mixed[number::parts]
        write_source(
            folder / source,
            f"part-{chance.random()}",
            part if isinstance(document, list) else document | {"organizations": part},
        )


def empty_the_registry() -> None:
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in REGISTRY_TABLES))


# one bad record


BAD_RECORDS = {
    "no name": provider(25, facility_name=" "),
    "a name of the wrong type": provider(25, facility_name={"first": "Amani"}),
    "no county of Kenya": provider(25, county="Atlantis", location="Somewhere"),
    "a list instead of an object": ["Amani", "Nairobi"],
    "a number instead of an object": 25,
    "null": None,
    "a name beyond all length": provider(25, facility_name="A" * 5000),
    "an escaped NUL": provider(25, facility_name="Amani\x00Office"),
    "a lone surrogate": provider(25, facility_name="Amani \ud800 Office"),
}


@pytest.mark.parametrize("bad", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_one_bad_record_in_fifty_leaves_forty_nine(db: None, tmp_path: Path, bad: Any) -> None:
    records = [bad if number == 25 else provider(number) for number in range(50)]
    (tmp_path / "other_services.json").write_text(json.dumps(records), encoding="utf-8")
    summary = run_import(tmp_path, "other_services")
    assert summary["status"] == "succeeded"
    assert counts(summary["totals"]) == {"read": 50, "created": 49, "rejected": 1}
    assert Facility.objects.count() == 49
    version = SourceRecordVersion.objects.get(state="rejected")
    assert version.pointer == "/25"
    assert any(finding["severity"] == "reject" and finding["message"] for finding in version.findings)


def test_a_key_twice_inside_one_record_rejects_that_record_only(db: None, tmp_path: Path) -> None:
    texts = [json.dumps(provider(number)) for number in range(50)]
    texts[25] = texts[25].replace('"county"', '"county": "Mombasa", "county"')
    (tmp_path / "other_services.json").write_text(f"[{','.join(texts)}]", encoding="utf-8")
    totals = run_import(tmp_path, "other_services")["totals"]
    assert counts(totals) == {"read": 50, "created": 49, "rejected": 1}


HOSTILE_TEXTS = [
    "Robert'); DROP TABLE facilities;--",
    "<script>alert(1)</script> Office",
    "=HYPERLINK(1) Office",
    "%s {} Office",
]


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_a_hostile_text_is_a_name_like_any_other_or_a_reject(db: None, tmp_path: Path, name: str) -> None:
    row = import_providers(tmp_path, [provider(1, facility_name=name), provider(2)])
    assert row["read"] == row["created"] + row["rejected"] == 2
    assert Facility.objects.filter(facility_name=provider(2)["facility_name"]).exists()


def test_an_unknown_member_is_reported_and_the_record_loads(db: None, tmp_path: Path) -> None:
    row = import_providers(tmp_path, [provider(1, colour="green")])
    assert row["created"] == 1
    findings = SourceRecordVersion.objects.get().findings
    assert any("colour" in finding["message"] + finding["field"] for finding in findings)
    assert all(finding["severity"] != "reject" for finding in findings)


# change


def test_a_changed_phone_is_one_update_and_the_contacts_follow(db: None, tmp_path: Path) -> None:
    records = [provider(number) for number in range(50)]
    import_providers(tmp_path, records)
    before = registry()
    records[7] = provider(7, contact="0733 555 001 / 0744 555 002")
    row = import_providers(tmp_path, records)
    assert counts(row) == {"read": 50, "updated": 1, "unchanged": 49}
    changed = {code: state for code, state in registry().items() if state != before[code]}
    assert [state["contacts"] for state in changed.values()] == [
        [("phone", "+254733555001", True), ("phone", "+254744555002", False)],
    ]


def test_only_the_changed_facility_is_written(db: None, tmp_path: Path) -> None:
    records = [provider(number) for number in range(20)]
    import_providers(tmp_path, records)
    stamps = dict(Facility.objects.values_list("facility_name", "updated_at"))
    records[7] = provider(7, location="Plot 7", latitude="-1.2921", longitude="36.8219", hours="24hrs")
    records[7]["service_type"] = "Legal aid"
    import_providers(tmp_path, records)
    after = dict(Facility.objects.values_list("facility_name", "updated_at"))
    assert {name for name in after if after[name] != stamps[name]} <= {records[7]["facility_name"]}


def test_the_primary_contact_changes_place_without_a_clash(db: None, tmp_path: Path) -> None:
    import_providers(tmp_path, [provider(1, contact="0722 000 001 / 0722 000 002")])
    row = import_providers(tmp_path, [provider(1, contact="0722 000 002 / 0722 000 001")])
    contacts = {str(c.contact_value): c.is_primary for c in FacilityContact.objects.all()}
    assert row["updated"] == 1
    assert contacts == {"+254722000001": False, "+254722000002": True}


def test_services_are_reconciled_as_a_set(db: None, tmp_path: Path) -> None:
    import_providers(tmp_path, [provider(1, service_type="Psychosocial support; Legal aid")])
    (before,) = (state["services"] for state in registry().values())
    import_providers(tmp_path, [provider(1, service_type="Legal aid; Shelter")])
    (after,) = (state["services"] for state in registry().values())
    assert len(before) == len(after) == 2
    assert len(set(before) & set(after)) == 1


def test_a_position_that_its_source_no_longer_gives_is_taken_away(db: None, tmp_path: Path) -> None:
    import_providers(tmp_path, [provider(0, latitude="-1.2921", longitude="36.8219")])
    assert [state["position"] is None for state in registry().values()] == [False]
    row = import_providers(tmp_path, [provider(0)])
    assert row["updated"] == 1
    assert [state["position"] for state in registry().values()] == [None]


def test_a_change_that_says_the_same_is_unchanged(db: None, tmp_path: Path) -> None:
    import_providers(tmp_path, [provider(1, contact="0722 000 001")])
    rows = row_versions()
    row = import_providers(tmp_path, [provider(1, contact="+254722000001")])
    assert counts(row) == {"read": 1, "unchanged": 1}
    assert row_versions() == rows


# gone


def test_a_record_that_is_gone_counts_as_missing_and_its_facility_stays(db: None, tmp_path: Path) -> None:
    records = [provider(number) for number in range(10)]
    import_providers(tmp_path, records)
    before = registry()
    row = import_providers(tmp_path, records[:9])
    assert counts(row) == {"read": 9, "unchanged": 9, "missing": 1}
    assert registry() == before
    assert SourceRecord.objects.get(missing_since__isnull=False).facility.facility_name == records[9]["facility_name"]


def test_a_record_that_comes_back_is_missing_no_more(db: None, tmp_path: Path) -> None:
    records = [provider(number) for number in range(10)]
    for delivered in (records, records[:9]):
        import_providers(tmp_path, delivered)
    rows = row_versions()
    row = import_providers(tmp_path, records)
    assert counts(row) == {"read": 10, "unchanged": 10}
    assert row_versions() == rows


def test_a_missing_contributor_goes_on_contributing(imported: dict[str, Any], data_dir: Path) -> None:
    before = registry()
    document = read_source("category_B")
    del document["organizations"][6]  # merged with other_services /7
    write_source(data_dir, "category_B", document)
    totals = run_import(data_dir)["totals"]
    assert (totals["missing"], totals["created"], totals["updated"]) == (1, 0, 0)
    assert registry() == before


def test_a_source_that_becomes_empty_is_refused_and_nothing_is_missing(
    imported: dict[str, Any], data_dir: Path
) -> None:
    write_source(data_dir, "other_services", [])
    summary = run_import(data_dir)
    assert summary["status"] == "partial"
    assert "--allow-shrink" in summary["sources"]["other_services"]["error"]
    assert not SourceRecord.objects.filter(missing_since__isnull=False).exists()


def test_an_empty_source_is_accepted_when_asked_to(imported: dict[str, Any], data_dir: Path) -> None:
    before = registry()
    write_source(data_dir, "other_services", [])
    summary = run_import(data_dir, allow_shrink=True)
    assert summary["status"] == "succeeded"
    assert summary["sources"]["other_services"]["missing"] == 30
    assert registry() == before


# bad next month


def test_a_good_record_that_goes_bad_keeps_its_facility_and_last_good_version(db: None, tmp_path: Path) -> None:
    good = provider(1)
    import_providers(tmp_path, [good, provider(2)])
    before = registry()
    # its words, and so its key, stay; its contact cannot be read by any schema
    row = import_providers(tmp_path, [good | {"service_type": 5 * [{"a": {"b": [1]}}], "latitude": [1]}, provider(2)])
    assert counts(row) == {"read": 2, "unchanged": 1, "rejected": 1}
    assert registry() == before
    record = SourceRecord.objects.get(outcome="rejected")
    assert record.facility.facility_name == good["facility_name"]
    assert record.latest_version.state == "rejected"
    assert record.good_version.state == "loaded"
    assert record.good_version.raw["payload"] == good
    assert record.good_version.run_id < record.latest_version.run_id


def test_a_record_that_is_mended_again_is_unchanged(db: None, tmp_path: Path) -> None:
    for record in (provider(1), provider(1, latitude=[1]), provider(1)):
        row = import_providers(tmp_path, [record])
    assert counts(row) == {"read": 1, "unchanged": 1}
    record = SourceRecord.objects.get()
    assert record.latest_version == record.good_version
    assert sorted(record.versions.values_list("state", flat=True)) == ["loaded", "superseded", "superseded"]


# a key twice


def test_a_record_twice_in_one_file_is_one_facility(db: None, tmp_path: Path) -> None:
    row = import_providers(tmp_path, [provider(1), provider(2), provider(1)])
    assert counts(row) == {"read": 3, "created": 2, "merged": 1}
    assert counts(import_providers(tmp_path, [provider(1), provider(2), provider(1)])) == {"read": 3, "unchanged": 3}


def test_one_key_with_two_contents_gives_the_same_in_any_order(db: None, tmp_path: Path) -> None:
    one, other = provider(1), provider(1, contact="0733 000 999", service_type="Shelter")
    row = import_providers(tmp_path, [one, provider(2), other])
    expected = registry()
    assert row["read"] == 3
    assert row["created"] + row["merged"] == 3
    again = import_providers(tmp_path, [other, one, provider(2)])
    assert counts(again) == {"read": 3, "unchanged": 3}
    empty_the_registry()
    import_providers(tmp_path, [other, provider(2), one])
    assert registry() == expected


# queries


def batch_queries(tmp_path: Path, records: int, batch_size: int) -> int:
    empty_the_registry()
    shutil.rmtree(tmp_path / str(records), ignore_errors=True)
    write_providers(tmp_path / str(records), [provider(number, county="Nairobi") for number in range(records)])
    with CaptureQueriesContext(connection) as queries:
        run_import(tmp_path / str(records), "other_services", batch_size=batch_size)
    return len(queries)


def test_twice_the_facilities_in_as_many_batches_take_as_many_queries(db: None, tmp_path: Path) -> None:
    batch_queries(tmp_path, 50, 50)  # what is looked up once in a process
    assert batch_queries(tmp_path, 100, 100) == batch_queries(tmp_path, 50, 50)


def test_every_further_batch_takes_the_same_few_queries(db: None, tmp_path: Path) -> None:
    batch_queries(tmp_path, 50, 50)  # what is looked up once in a process
    one, two, three = (batch_queries(tmp_path, records, 50) for records in (50, 100, 150))
    assert three - two == two - one
    assert two - one <= 20


def test_changed_records_take_a_constant_number_of_queries_per_batch(db: None, tmp_path: Path) -> None:
    used = {}
    for count in (50, 100):
        batch_queries(tmp_path, count, 100)
        changed = [provider(n, county="Nairobi", contact=f"0733 777 {n:03d}") for n in range(count)]
        write_providers(tmp_path / str(count), changed)
        with CaptureQueriesContext(connection) as queries:
            run_import(tmp_path / str(count), "other_services", batch_size=100)
        used[count] = len(queries)
    assert used[50] == used[100]


# runs


def test_a_run_is_recorded_with_its_files_and_their_profile(imported: dict[str, Any]) -> None:
    run = ImportRun.objects.get(pk=imported["run"])
    assert (run.status, run.summary["totals"]) == ("succeeded", imported["totals"])
    assert run.finished_at >= run.started_at
    assert {(f.source, f.status, f.records) for f in run.files.all()} == {
        (name, "sound", row["read"]) for name, row in imported["sources"].items()
    }
    assert run.files.get(source="regional").profile


def test_what_a_source_said_is_sealed_in_the_database(imported: dict[str, Any]) -> None:
    tables = {
        "source_record_versions": ["raw", "standardised"],
        "facility_contacts": ["contact_value"],
        "facilities": ["address"],
    }
    with connection.cursor() as cursor:
        for table, columns in tables.items():
            for column in columns:
                cursor.execute(f"SELECT {column} FROM {table} WHERE {column} <> ''")
                tokens = [row[0] for row in cursor.fetchall()]
                assert tokens
                assert all(token.startswith("gAAAA") for token in tokens)
