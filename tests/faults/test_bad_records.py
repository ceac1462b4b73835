"""One bad record among fifty, wherever it stands and whoever finds it: forty-nine land, one is a reject with its reason."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from core.models import User
from facilities.models import Facility
from geography.models import County
from tests.faults.world import all_or_sample, changed_schema, empty_registry, raising, trigger
from tests.world import provider, run_import, write_providers, write_source

pytestmark = pytest.mark.usefixtures("transactional_db")

BAD = "Hatua Safe Counselling Office"
POSITIONS = all_or_sample(range(50), [0, 7, 24, 49])
FEWER_POSITIONS = all_or_sample(range(50), [0, 31])


# what validation finds


def without_name(number: int) -> str:
    record = provider(number)
    del record["facility_name"]
    return json.dumps(record)


def in_an_unknown_county(number: int) -> str:
    return json.dumps(provider(number, county="Atlantis"))


def a_list(number: int) -> str:
    return json.dumps(list(provider(number).values()))


def with_a_lone_surrogate(number: int) -> str:
    return json.dumps(provider(number, facility_name="Hatua \ud800 Office"))


def with_a_key_twice(number: int) -> str:
    return json.dumps(provider(number)).replace("{", '{"county": "Kwale", ', 1)


@pytest.mark.parametrize(
    ("bad", "rule", "words"),
    [
        (without_name, "name-missing", "name"),
        (in_an_unknown_county, "county-unknown", "county"),
        (a_list, "record-not-an-object", "object"),
        (with_a_lone_surrogate, "forbidden-character", "surrogate"),
        (with_a_key_twice, "duplicate-key", "county"),
    ],
)
def test_one_record_that_validation_refuses_leaves_forty_nine(
    bad: Callable[[int], str], rule: str, words: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    for position in POSITIONS:
        with subtests.test(position=position):
            empty_registry()
            records = [json.dumps(provider(number)) for number in range(50)]
            records[position] = bad(position)
            (tmp_path / "other_services.json").write_text(f"[{','.join(records)}]")
            reject = the_reject(tmp_path, position)
            assert reject["rule"] == rule
            assert words in reject["message"] + reject["hint"]


def the_reject(folder: Path, position: int) -> dict[str, Any]:
    """Return the reject of an import of fifty records, once everything else has landed."""
    before = Facility.objects.count()
    summary = run_import(folder, "other_services")
    row = summary["sources"]["other_services"]
    assert (summary["status"], row["read"], row["created"], row["rejected"]) == ("succeeded", 50, 49, 1)
    assert Facility.objects.count() == before + 49
    assert not Facility.objects.filter(facility_name=BAD).exists()
    (reject,) = summary["rejects"]
    assert (reject["file"], reject["pointer"]) == ("other_services.json", f"/{position}")
    return reject


# what only the database refuses


def in_a_check() -> AbstractContextManager[None]:
    return changed_schema(
        f"ALTER TABLE facilities ADD CONSTRAINT fault CHECK (facility_name <> '{BAD}')",
        "ALTER TABLE facilities DROP CONSTRAINT fault",
    )


def in_a_unique_index() -> AbstractContextManager[None]:
    expression = f"facility_name IN ('{BAD}', '{TAKEN}')"
    return changed_schema(
        f"CREATE UNIQUE INDEX fault ON facilities (({expression})) WHERE {expression}", "DROP INDEX fault"
    )


TAKEN = "Tumaini House"


def in_a_trigger() -> AbstractContextManager[None]:
    return trigger(raising("P0001", name=BAD))


def at_commit() -> AbstractContextManager[None]:
    deferred = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    return trigger(raising("23514", name=BAD), when="AFTER INSERT", each=deferred)


def for_its_length() -> AbstractContextManager[None]:
    return trigger(raising("22001", name=BAD))


def in_a_child_row() -> AbstractContextManager[None]:
    return trigger(
        f"IF EXISTS (SELECT FROM facilities WHERE facility_id = NEW.facility_id AND facility_name = '{BAD}')"
        " THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22003'; END IF;",
        table="facility_services",
    )


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (in_a_check, "23514"),
        (in_a_unique_index, "23505"),
        (in_a_trigger, "P0001"),
        (at_commit, "23514"),
        (for_its_length, "22001"),
        (in_a_child_row, "22003"),
    ],
)
def test_one_record_that_only_the_database_refuses_leaves_forty_nine(
    refusal: Callable[[], AbstractContextManager[None]], state: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    with refusal():
        for position in FEWER_POSITIONS:
            with subtests.test(position=position):
                empty_registry()
                put_in_by_hand(TAKEN)
                records = [provider(number) for number in range(50)]
                records[position]["facility_name"] = BAD
                write_providers(tmp_path, records)
                reject = the_reject(tmp_path, position)
                assert reject["rule"] == "database-refused"
                assert f"SQLSTATE {state}" in reject["message"]
    assert_lands_once_it_is_allowed(tmp_path)


def assert_lands_once_it_is_allowed(folder: Path) -> None:
    """Check that nothing of the refusal stays: touched again, the record lands."""
    records = json.loads((folder / "other_services.json").read_text())
    (bad,) = (record for record in records if record["facility_name"] == BAD)
    bad["location"] = "Plot 1000"
    write_providers(folder, records)
    row = run_import(folder, "other_services")["sources"]["other_services"]
    assert (row["created"], row["unchanged"], row["rejected"]) == (1, 49, 0)


def put_in_by_hand(name: str) -> None:
    user = User.import_user()
    Facility.objects.create(
        facility_code="BY-HAND",
        facility_name=name,
        county=County.objects.first(),
        created_by=user,
        updated_by=user,
    )


def test_a_record_that_the_ledger_refuses_leaves_forty_nine(tmp_path: Path, subtests: pytest.Subtests) -> None:
    write_providers(tmp_path, [provider(number) for number in range(50)])
    for position in FEWER_POSITIONS:
        refusal = changed_schema(
            "ALTER TABLE source_record_versions ADD CONSTRAINT fault"
            f" CHECK (NOT (state = 'pending' AND pointer = '/{position}'))",
            "ALTER TABLE source_record_versions DROP CONSTRAINT fault",
        )
        with subtests.test(position=position):
            empty_registry()
            with refusal:
                reject = the_reject(tmp_path, position)
            assert reject["rule"] == "database-refused"
            assert "SQLSTATE 23514" in reject["message"]


# a record that is refused beside others that stand for the same place


def listed_twice(first: str, second: str, **more: str) -> list[dict[str, Any]]:
    """Return a place that one list names twice: each time with its own level and a phone of its own."""
    place = {"name": "Amani Clinic", "mfl_code": 7, "county": "Nairobi", **more}
    return [
        place | {"level": first, "registration_number": "KM7", "contacts": {"phone": "0722 000 001"}},
        place | {"level": second, "contacts": {"phone": "0722 000 002"}},
    ]


@pytest.mark.parametrize(
    ("first", "second", "rejected"), [("bad", "Level 3", 1), ("Level 4", "bad", 0), ("bad", "bad", 2)]
)
def test_a_refused_record_leaves_what_it_said_last_and_what_the_others_say(
    first: str, second: str, rejected: int, tmp_path: Path
) -> None:
    empty_registry()
    write_source(tmp_path, "regional", listed_twice("Level 4", "Level 3"))
    run_import(tmp_path, "regional")
    refusal = trigger(
        "IF NEW.level = 'bad' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '23514'; END IF;",
        when="BEFORE INSERT OR UPDATE",
    )
    write_source(tmp_path, "regional", listed_twice(first, second, website="https://amani.example.or.ke"))
    with refusal:
        summary = run_import(tmp_path, "regional")
    facility = Facility.objects.get()
    assert facility.contacts.count() == 2
    assert facility.registration_number == "KM7"
    assert facility.level in {"Level 4", "Level 3"}
    assert facility.website == ("" if rejected == 2 else "https://amani.example.or.ke")
    assert summary["totals"]["rejected"] == rejected
