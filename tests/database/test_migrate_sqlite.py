"""migrate_sqlite: every row of a legacy database lands or is listed, under its key, in one transaction, again and again."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import Q

from core.models import AuditEntry, User
from core.state import state_hash
from etl.errors import UnknownRunError
from etl.explain import explain
from etl.legacy.database import LegacyFileError
from etl.legacy.dumpdata import open_legacy
from etl.legacy.migration import migrate_legacy
from etl.legacy.rows import MODELS
from etl.legacy.telling import lines
from etl.models import DuplicatePair, ImportRun
from etl.run_page import statement_of
from etl.stages.legacy import CHILDREN
from etl.undo import undo_import
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    OperationalStatus,
    Pin,
    ServiceCategory,
)
from geography.models import Constituency, County, Ward
from tests.canaries import leaks, leaks_in_database
from tests.faults.world import all_or_sample, command, in_child, in_full, wait_until_alone
from tests.legacy import (
    FACILITIES,
    KEYS,
    OBJECTS,
    SHELTER,
    contact,
    document_case,
    facility,
    geography,
    hostile_case,
    own_database,
    write_dumpdata,
    write_sqlite,
)
from tests.world import RAW, read_source, run_import


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A registry of the test's own, with geography and lookups, whose transactions commit; see tests/faults/conftest.py."""
    with django_db_blocker.unblock(), own_database():
        yield


@pytest.fixture
def registry(transactional_db: None) -> None:
    """Name it for what it is."""


@pytest.mark.parametrize(
    ("write", "shuffled"),
    [pytest.param(write_sqlite, False, marks=in_full), (write_sqlite, True), (write_dumpdata, True)],
    ids=["sqlite in code order", "sqlite shuffled", "dumpdata shuffled"],
)
def test_the_documents_case_lands_whole_under_its_keys(
    registry: None, tmp_path: Path, write: Callable[..., Path], shuffled: bool
) -> None:
    rows = document_case(shuffled=shuffled)
    summary = migrate_legacy(write(tmp_path / "legacy.file", rows))
    assert summary["listed"] == []
    assert summary["totals"]["read"] == OBJECTS
    assert summary["totals"]["landed"] + summary["totals"]["already"] == OBJECTS
    assert Facility.objects.count() == FACILITIES
    assert summary["keys_not_kept"] == {}
    for table, found in rows.items():
        keys = {row[KEYS[table]] for row in found}
        assert keys <= set(MODELS[table]._default_manager.values_list("pk", flat=True)), table


def test_the_next_insert_works_on_every_table(registry: None, tmp_path: Path) -> None:
    migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True)))
    call_command("load_geography")
    county, status = (
        County.objects.create(county_name="New", county_code="048"),
        OperationalStatus.objects.create(code="new"),
    )
    constituency = Constituency.objects.create(constituency_name="New", constituency_code="291", county=county)
    ward = Ward.objects.create(ward_name="New", ward_code="1451", constituency=constituency)
    category, kind = ServiceCategory.objects.create(code="new"), ContactType.objects.create(code="new")
    user = User.objects.create(username="new")
    facility = Facility.objects.create(
        facility_code="NEW", facility_name="New", county=county, constituency=constituency, ward=ward, created_by=user
    )
    FacilityService.objects.create(facility=facility, service_category=category)
    FacilityContact.objects.create(facility=facility, contact_type=kind, contact_value="+254722000999")
    FacilityCoordinate.objects.create(
        facility=facility, latitude="-1.2833", longitude="36.8172", accuracy_level="exact"
    )
    facility.operational_status = status
    facility.save()
    assert AuditEntry.objects.filter(table_name="facilities", record_id=facility.pk, operation="UPDATE").exists()


def test_a_second_run_finds_everything_and_writes_nothing(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True))
    migrate_legacy(path)
    before = state_hash(), AuditEntry.objects.count(), ImportRun.objects.count()
    summary = migrate_legacy(path)
    assert summary["totals"] == {"read": OBJECTS, "landed": 0, "already": OBJECTS, "listed": 0}
    assert summary["run"] is None
    assert not [note for note in summary["notes"] if "changed since" in note["reason"]]
    assert (state_hash(), AuditEntry.objects.count(), ImportRun.objects.count()) == before


def test_the_page_of_its_run_says_what_it_read(registry: None, tmp_path: Path) -> None:
    migrate_legacy(write_sqlite(tmp_path / "old.sqlite3", {**geography(), "facilities": [facility(1, ward_id=1)]}))
    told = statement_of(ImportRun.objects.get(kind="migration"))
    assert told == "rows of the legacy database: 1,788 read, 1 landed, 1,787 there already, 0 listed"


def test_what_was_there_is_told_row_by_row(registry: None, tmp_path: Path) -> None:
    rows = document_case()
    migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", rows))
    facility = Facility.objects.with_details().get(pk=17)
    assert facility.facility_code == "FAC-0017"
    assert facility.registration_number == "REG/00017"
    assert facility.facility_name == rows["facilities"][16]["facility_name"]
    assert facility.ward_id == 103
    assert facility.created_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert facility.updated_at == datetime(2023, 6, 7, 8, 9, 10, tzinfo=UTC)
    assert str(facility.created_by) == "wanjiru"
    assert [str(one.contact_value) for one in facility.contacts.filter(pk=17)] == ["+254722000017"]
    assert facility.coordinate.accuracy_level == "exact"
    user = User.objects.get(username="legacy-admin")
    assert (user.is_active, user.is_superuser, user.has_usable_password()) == (False, False, False)
    entry = AuditEntry.objects.get(pk=17)
    assert (entry.record_id, entry.session_id, str(entry.changed_by)) == (
        17,
        "legacy:run:17",
        "mutua",
    )
    assert entry.new_values["facility_name"] == "Old 17"
    told = "\n".join(explain("FAC-0017"))
    assert "legacy: legacy.sqlite3 /facilities/17" in told
    assert "in the legacy database" in told


@in_full
def test_a_dry_run_writes_nothing(registry: None, tmp_path: Path) -> None:
    before = state_hash(), AuditEntry.objects.count()
    summary = migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True)), dry_run=True)
    assert summary["totals"]["landed"] > FACILITIES
    assert summary["run"] is None
    assert (state_hash(), AuditEntry.objects.count()) == before


def said_of(remarks: list[dict[str, str]], table: str, key: object) -> str:
    return " | ".join(r["reason"] for r in remarks if (r["table"], r["key"]) == (table, str(key)))


def test_what_cannot_land_is_listed_with_its_reason_and_never_its_value(registry: None, tmp_path: Path) -> None:
    summary = migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", hostile_case()))
    listed, notes = summary["listed"], summary["notes"]
    assert all(row["read"] == row["landed"] + row["already"] + row["listed"] for row in summary["tables"].values())
    assert Counter(remark["table"] for remark in listed) == {
        "users": 2, "counties": 2, "constituencies": 2, "wards": 3, "operational_statuses": 1, "service_categories": 1,
        "facilities": 4, "facility_services": 5, "facility_contacts": 7, "facility_coordinates": 4, "audit_trail": 3,
    }  # fmt: skip
    for table, key, words in (
        ("counties", 90, "no county of the register"), ("counties", 91, "the same as counties 47"),
        ("wards", 9000, "nearest: "), ("facilities", 5, "no name"), ("facilities", 6, "no county can be told from its ward 9001"),
        ("facility_services", 2, "the same as facility_services 1"), ("facility_services", 3, "facility 99 is not in the file"),
        ("facility_services", 7, "facility 5 did not land"), ("facility_contacts", 3, "the same as facility_contacts 2"),
        ("facility_contacts", 13, "its facility is not in the file"), ("facility_coordinates", 3, "(0, 0)"),
        ("facility_coordinates", 4, "outside Kenya"), ("audit_trail", 5, "no table of the registry"),
    ):  # fmt: skip
        assert words in said_of(listed, table, key), (table, key)
    for table, key, words in (
        ("facilities", 2, "is_active says neither yes nor no"), ("facilities", 2, "created_at is no time"),
        ("facilities", 3, "is FAC-3-B"), ("facilities", 4, "its ward is not in the register"),
        ("facilities", 4, "another facility has its registration number"), ("facilities", 11, "it has no code"),
        ("facility_contacts", 6, "it is phone, as its value says"),
        ("facility_contacts", 8, "it holds 1 more"), ("facility_coordinates", 1, "exchanged"),
        ("audit_trail", 7, "no JSON object"),
    ):  # fmt: skip
        assert words in said_of(notes, table, key), (table, key)
    told = "\n".join(lines(summary))
    assert not leaks(told)
    assert "0722000" not in told.replace(" ", "")
    assert ServiceCategory.objects.filter(category_name="Ask 0722***04").exists()
    assert not County.objects.filter(county_name="Malindi").exists()
    numbers = dict(Facility.objects.values_list("pk", "registration_number"))
    assert [numbers[pk] for pk in (1, 2, 3, 4)] == [None, None, "REG/1", None]
    fourth = Facility.objects.get(pk=4)
    assert (fourth.ward_id, fourth.constituency_id, fourth.facility_type_id) == (None, 40, "clinic")
    assert Facility.objects.get(pk=9).updated_at == datetime(2023, 12, 31, 10, tzinfo=UTC)
    assert FacilityContact.objects.get(pk=2).is_primary
    assert str(FacilityContact.objects.get(pk=6).contact_value) == "+254722000006"
    assert str(FacilityContact.objects.get(pk=14).contact_value) == "+254722000203"
    assert AuditEntry.objects.get(pk=8).session_id == "legacy:run:1"
    again = migrate_legacy(tmp_path / "legacy.sqlite3")
    assert again["totals"] == summary["totals"] | {"landed": 0, "already": summary["totals"]["read"] - len(listed)}


def test_of_a_shelter_nothing_stands_in_plain_anywhere(registry: None, tmp_path: Path) -> None:
    migrate_legacy(write_dumpdata(tmp_path / "legacy.json", hostile_case()))
    shelter = Facility.objects.get(pk=10)
    assert shelter.is_confidential
    assert shelter.open_columns().facility_name == SHELTER.name
    assert not leaks_in_database()


def test_a_code_that_tells_of_a_shelter_is_not_kept_and_others_are(registry: None, tmp_path: Path) -> None:
    shelter = {"facility_name": "Zebrafinch Haven", "facility_type": "Shelter", "registration_number": "QX/7788"}
    rows = geography() | {
        "facilities": [
            facility(1, facility_code="ZEBRAFINCH01", **shelter),
            facility(2, facility_code="KE-QX-7788", **shelter),
            facility(3, facility_code="FAC-0003", **shelter),
            facility(4, facility_code="HAVEN-CLINIC", facility_name="Haven Clinic", facility_type="Clinic"),
        ]
    }
    summary = migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", rows))
    codes = dict(Facility.objects.values_list("pk", "facility_code"))
    assert (codes[3], codes[4]) == ("FAC-0003", "HAVEN-CLINIC")
    assert not [code for code in (codes[1], codes[2]) if "ZEBRA" in code or "7788" in code]
    for key in (1, 2):
        assert "its code tells of a confidential place" in said_of(summary["notes"], "facilities", key)
    assert "zebra" not in "\n".join(lines(summary)).casefold()
    assert migrate_legacy(tmp_path / "legacy.sqlite3")["totals"]["landed"] == 0


def test_a_lookup_with_a_name_that_is_cut_is_found_again(registry: None, tmp_path: Path) -> None:
    names = [
        {"category_id": 1, "category_name": f"{'prayer ' * 30}at night"},
        {"category_id": 2, "category_name": "9" * 300},
    ]
    path = write_sqlite(
        tmp_path / "legacy.sqlite3", geography() | {"service_categories": names, "facilities": [facility(1)]}
    )
    assert migrate_legacy(path)["tables"]["service_categories"]["landed"] == 2
    assert migrate_legacy(path)["totals"]["landed"] == 0


def test_a_value_that_a_small_file_computes_does_not_fill_the_memory(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", geography() | {"facilities": [facility(1)]})
    with closing(sqlite3.connect(path)) as legacy:
        legacy.execute("ALTER TABLE facilities ADD COLUMN town TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000)))")
    with pytest.raises(LegacyFileError, match="larger than 64 MB"):
        migrate_legacy(path)


def test_rows_whose_keys_cannot_be_kept_land_with_all_that_points_to_them(registry: None, tmp_path: Path) -> None:
    """The tables are a copy that declares no keys and types, as a recovered file or a spreadsheet has them."""
    rows = document_case()
    keys: dict[int, Any] = dict(zip(range(1, 6), (0, -5, 2**63 - 1, "6f1c-aa", "7 b"), strict=True))
    of_facilities = {"facilities": "facility_id", **dict.fromkeys(CHILDREN, "facility_id"), "audit_trail": "record_id"}
    for table, column in of_facilities.items():
        rows[table] = [row | {column: keys[row[column]]} for row in rows[table] if row[column] in keys]
    rows["facilities"] = [row | {"created_by": "u-1"} for row in rows["facilities"]]
    rows["users"][0]["user_id"] = "u-1"
    path = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(path)) as legacy:
        for table, found in rows.items():
            columns = list(found[0])
            legacy.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            legacy.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", [list(r.values()) for r in found]
            )
        legacy.commit()
    summary = migrate_legacy(path)
    assert summary["listed"] == []
    first = Facility.objects.get(facility_code="FAC-0001")
    assert first.created_by is not None
    assert first.created_by.username == "wanjiru"
    assert (first.services.count(), first.contacts.count()) == (2, 2)
    assert AuditEntry.objects.filter(session_id="legacy:run:1", record_id=first.pk).exists()
    again = migrate_legacy(path)["totals"]
    assert (again["read"], again["listed"]) == (again["already"], 0)


def test_a_view_stands_for_its_table_and_what_a_file_lacks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "legacy.sqlite3"
    with closing(sqlite3.connect(path)) as legacy:
        legacy.executescript(
            "CREATE TABLE old (facility_id, facility_name); CREATE VIEW facilities AS SELECT * FROM old; CREATE VIEW v AS"
            " SELECT 1; PRAGMA journal_mode = WAL;"
        )
    with open_legacy(path) as found:
        assert found.other_tables == {"old": 0}
        beside, lacking, none = found.remarks
    assert beside.startswith("No legacy.sqlite3-wal lies beside it")
    assert lacking.startswith("Not in the file: counties, constituencies, wards, ")
    assert none == "The file holds no facility: is it the right one?"


def test_names_in_a_file_reach_no_terminal_as_they_are(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", geography() | {"facilities": [facility(1)]})
    with closing(sqlite3.connect(path)) as legacy:
        for name in ("\x1b[31mred\x07\nline", "house 0722 111 222", "x" * 5000, "y" * 5000):
            legacy.execute(f'CREATE TABLE "{name}" (a)')
            legacy.execute(f'ALTER TABLE facilities ADD COLUMN "{name}"')
    summary = migrate_legacy(path, dry_run=True)
    told = "\n".join([*summary["other_tables"], *summary["other_columns"], summary["file"]])
    assert told.count("\n") == 8 + 3  # three columns of the document are read by nobody
    assert not [odd for odd in ("\x1b", "\x07", "111 222", "x" * 200) if odd in told]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone", None, "no such file"),
        ("empty", b"", "is empty"),
        ("wide.json", "[]".encode("utf-16"), "UTF-16"),
        ("text", b"facility,county\n", "neither a SQLite database nor"),
        ("cut", b"SQLite format 3\0" + b"\0" * 200, "damaged"),
        ("others.json", b'[{"model": "a.b", "pk": 1, "fields": {}}]', "no table of facilities"),
        ("deep.json", b"[" * 100_000, "deep"),
        (
            "wide.json",
            json.dumps([{"model": "x.facility", "pk": 1, "fields": {f"f{n}": n for n in range(3000)}}]).encode(),
            "different fields",
        ),
        (
            "surrogate.json",
            rb'[{"model": "x.facility", "pk": 1, "fields": {"facility_name": "\ud800"}}, 7]',
            "no facility that can be read, and 2 objects that cannot, the first at /0: ",
        ),
        ("nan.json", b'[{"model": "x.facility", "pk": NaN, "fields": {}}]', "NaN"),
    ],
)
def test_what_is_no_legacy_database_is_refused_in_one_line_before_a_database_is_asked(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    code, out, err = command("migrate_sqlite", str(path))
    assert (code, out) == (1, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_damaged_objects_of_an_export_are_listed_and_others_counted(registry: None, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    write_dumpdata(
        path, geography() | {"facilities": [facility(1, created_by=None, updated_by=None, operational_status_id=None)]}
    )
    more = (
        '{"model": "x.facility", "pk": 2, "fields": {"facility_code": "A", "facility_code": "B"}}, {"pk": 3}, 7,'
        '{"model": "sessions.session", "pk": "a", "fields": {}},'
    )
    path.write_text(path.read_text().replace("[", f"[{more}", 1))
    summary = migrate_legacy(path)
    assert [(remark["table"], remark["key"]) for remark in summary["listed"]] == [
        ("facilities", "/0"), ("objects", "/1"), ("objects", "/2"),
    ]  # fmt: skip
    assert summary["other_tables"] == {"sessions.session": 1}
    assert summary["tables"]["facilities"] == {"read": 2, "landed": 1, "already": 0, "listed": 1}


def test_the_command_prints_the_books_and_fails_beyond_a_limit(registry: None, tmp_path: Path) -> None:
    path, report = write_sqlite(tmp_path / "legacy.sqlite3", hostile_case()), tmp_path / "report.json"
    report.write_text("of an earlier run, which everybody could read")
    code, out, err = command("migrate_sqlite", str(path), "--dry-run", "--max-rejects", "10", "--report", str(report))
    assert code == 4
    assert "34 of 1,853 rows were listed, beyond --max-rejects" in err
    assert "1,853 of 1,853 rows accounted for" in out.splitlines()[-1]
    assert len(json.loads(report.read_text())["listed"]) == 34
    assert report.stat().st_mode & 0o777 == 0o600
    assert not Facility.objects.exists()
    assert command("migrate_sqlite", str(path), "--quiet")[:2] == (0, "")
    code, out, _ = command("migrate_sqlite", str(path), "--json")
    told = json.loads(out)
    assert (code, told["totals"]["landed"]) == (0, 0)
    page = (settings.BASE_DIR / "docs/migrate-sqlite.md").read_text(encoding="utf-8")
    assert [name for name in told if f"`{name}`" not in page] == []


def test_a_file_of_which_no_facility_lands_is_no_success(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", {"facilities": [facility(1), facility(2)]})
    code, out, err = command("migrate_sqlite", str(path))
    assert code == 4
    assert "none of 2 facilities landed; the listed rows say why" in err
    assert "no county" in out


def test_a_report_takes_the_place_of_no_legacy_file(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", geography() | {"facilities": [facility(1)]})
    (tmp_path / "link").symlink_to(path)
    before = path.read_bytes()
    for report in (path, tmp_path / "link"):
        with pytest.raises(CommandError) as refused:
            call_command("migrate_sqlite", str(path), "--report", str(report))
        assert refused.value.returncode == 2
    assert path.read_bytes() == before
    assert not Facility.objects.exists()


def test_a_registry_in_use_keeps_its_keys_and_references_follow(registry: None, tmp_path: Path) -> None:
    run_import(RAW, "regional")
    before = {facility.pk: facility.facility_code for facility in Facility.objects.all()}
    rows = document_case(shuffled=True)
    summary = migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", rows))
    assert summary["listed"] == []
    assert summary["keys_not_kept"]["wards"] > 1_000
    assert {f.pk: f.facility_code for f in Facility.objects.filter(pk__in=before)} == before
    ward = next(row for row in rows["wards"] if row["ward_id"] == 103)
    assert Facility.objects.get(facility_code="FAC-0017").ward.ward_code == ward["ward_code"]
    again = migrate_legacy(tmp_path / "legacy.sqlite3")
    assert again["totals"] == {"read": OBJECTS, "landed": 0, "already": OBJECTS, "listed": 0}


def test_what_changed_since_is_kept_and_named(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", document_case())
    migrate_legacy(path)
    facility = Facility.objects.get(pk=5)
    facility.facility_name = "Renamed since"
    facility.save()
    FacilityContact.objects.filter(pk=6).delete()
    summary = migrate_legacy(path)
    assert "changed since in the registry, which was kept: name" in said_of(summary["notes"], "facilities", 5)
    assert "the registry was kept" in said_of(summary["listed"], "facility_contacts", 6)
    assert Facility.objects.get(pk=5).facility_name == "Renamed since"


def test_imports_after_a_migration_find_its_facilities_and_win(
    registry: None, tmp_path: Path, small_data_dir: Path
) -> None:
    theirs = read_source("regional")["regions"][0]["counties"][0]["facilities"][0]
    rows = document_case()
    ward = next(row for row in rows["wards"] if row["ward_name"] == "Kamariny")
    rows["facilities"][0] |= {"facility_name": theirs["name"], "ward_id": ward["ward_id"], "facility_type": "Hospital"}
    rows["facility_contacts"][0]["contact_value"] = "0712000239"
    rows["facility_coordinates"][0] |= {"latitude": 0.6703, "longitude": 35.5081}
    migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", rows))
    summary = run_import(small_data_dir)
    assert summary["status"] == "succeeded"
    totals = summary["totals"]
    assert totals["read"] == sum(totals[name] for name in ("created", "updated", "unchanged", "merged", "rejected"))
    one = Facility.objects.get(pk=1)
    assert {"legacy", "regional"} <= set(one.source_records.values_list("source", flat=True))
    assert (one.level, one.registration_number, one.facility_code) == ("Level 4", "REG/00001", "FAC-0001")
    assert not Pin.objects.exists()
    assert not Facility.objects.filter(source_records__isnull=True).exists()
    assert migrate_legacy(tmp_path / "legacy.sqlite3")["totals"]["landed"] == 0
    assert run_import(small_data_dir)["totals"]["unchanged"] == totals["read"] - totals["rejected"]


def test_a_migration_killed_ten_times_converges(registry: None, tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "legacy.sqlite3", document_case(shuffled=True))
    started = time.monotonic()
    migrate_legacy(path, dry_run=True)
    seconds = time.monotonic() - started
    before = state_hash()
    for number in all_or_sample(range(10), [2, 5, 9]):
        child = in_child(migrate_legacy, path)
        child.join(seconds * (number + 0.5) / 12)
        child.kill()
        child.join()
        wait_until_alone()
        assert state_hash() == before or Facility.objects.count() == FACILITIES
    summary = migrate_legacy(path)
    assert summary["totals"]["landed"] + summary["totals"]["already"] == OBJECTS
    assert summary["keys_not_kept"] == {}
    assert ImportRun.objects.filter(kind="migration").count() == 1
    with pytest.raises(UnknownRunError, match="restore the backup"):
        undo_import(ImportRun.objects.get().pk, user=User.import_user())


@in_full
def test_what_a_registry_in_use_had_already_is_asked_about_by_the_next_import(
    registry: None, tmp_path: Path, data_dir: Path
) -> None:
    run_import(data_dir)
    theirs = read_source("regional")["regions"][0]["counties"][0]["facilities"][0]
    rows = geography() | {"contact_types": [{"type_id": 1, "type_name": "Phone"}]}
    ward = next(row for row in rows["wards"] if row["ward_name"] == "Kamariny")
    rows["facilities"] = [facility(1, facility_name=theirs["name"], ward_id=ward["ward_id"], facility_type="Hospital")]
    rows["facility_contacts"] = [contact(1, 1, contact_value="0712000239")]
    migrate_legacy(write_sqlite(tmp_path / "legacy.sqlite3", rows))
    summary = run_import(data_dir)
    assert summary["status"] == "succeeded"
    assert summary["totals"]["unchanged"] == summary["totals"]["read"] - summary["totals"]["rejected"]
    asked = DuplicatePair.objects.filter(decision="to_review")
    assert asked.filter(Q(first__source="legacy") | Q(second__source="legacy")).exists()
    assert run_import(data_dir)["duplicates"] == {"merged": 0, "to_review": 0}
