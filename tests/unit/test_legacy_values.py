"""Loosely typed values of a legacy database: what each spelling says, or that it says nothing."""

from datetime import UTC, datetime

import pytest

from etl.stages.legacy import (
    TABLES,
    columns_of,
    table_of,
    to_accuracy,
    to_code,
    to_flag,
    to_key,
    to_lookup_code,
    to_reference,
    to_time,
)

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (17, 17), ("17", 17), (" 17 ", 17), (17.0, 17), ("17.0", 17), (2**31 - 1, 2**31 - 1),
        (None, None), ("", None), (0, None), (-3, None), (1.5, None), ("abc", None), (True, None), (2**31, None),
        (2**63 - 1, None), (b"\x01", None), ("١٧", None), (float("nan"), None), (float("inf"), None),
    ],
)  # fmt: skip
def test_a_key_is_a_whole_number_that_a_sequence_can_go_beyond(value: object, key: int | None) -> None:
    assert to_key(value) == key


def test_a_key_that_cannot_be_kept_is_found_by_what_points_to_it() -> None:
    assert [to_reference(value) for value in (17, "17", 0, "0", -5, 2**63 - 1, "a-b-c", b"a-b-c", "", None)] == [
        17, 17, "0", "0", "-5", str(2**63 - 1), "a-b-c", "a-b-c", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [1, "1", "t", "TRUE", "Yes", "y", "on", "Active", True, 1.0])
def test_spellings_of_yes(value: object) -> None:
    assert to_flag(value) is True


@pytest.mark.parametrize("value", [0, "0", "f", "False", "no", "OFF", "inactive", False, 0.0])
def test_spellings_of_no(value: object) -> None:
    assert to_flag(value) is False


@pytest.mark.parametrize("value", [None, "", 2, "maybe", b"\xff", "N/A"])
def test_what_says_neither_yes_nor_no(value: object) -> None:
    assert to_flag(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "2024-02-29 12:00:00", "2024-02-29T12:00:00Z", "2024-02-29 15:00:00+03:00", "2024-02-29 12:00:00.000000",
        "2024/02/29 12:00",
        "29/02/2024 12:00", "29.02.2024 12:00:00", "29-02-2024 12:00",
        "2024-02-29 12:00:00 UTC", 1709208000, 1709208000000, 1709208000000000,
        "1709208000", b"2024-02-29 12:00:00",
    ],
)  # fmt: skip
def test_times_are_read_as_utc_however_they_were_written(value: object) -> None:
    assert to_time(value) == NOON


@pytest.mark.parametrize(
    "value", [None, "", "yesterday", "2024-02-30", "0000-00-00 00:00:00", "9999-12-31", 0, 10**30, "NaN", "12:00"]
)
def test_what_is_no_time(value: object) -> None:
    assert to_time(value) is None


@pytest.mark.parametrize(
    ("label", "table"),
    [
        ("facilities", "facilities"), ("Facilities", "facilities"), ("registry.facility", "facilities"),
        ("registry_facility", "facilities"),
        ("auth_user", "users"), ("accounts.CustomUser", "users"), ("gbv.facilitycontact", "facility_contacts"),
        ("facility_services", "facility_services"), ("core.operationalstatus", "operational_statuses"),
        ("django_migrations", ""), ("auth_user_groups", ""), ("sqlite_sequence", ""), ("sessions.session", ""), ("", ""),
    ],
)  # fmt: skip
def test_tables_and_models_are_known_by_their_names(label: str, table: str) -> None:
    assert table_of(label) == table


def test_columns_are_found_by_the_documents_names_and_by_djangos() -> None:
    found = columns_of(TABLES["facilities"], ["id", "Facility_Code", "ward", "notes", "operational_status_id"])
    assert found == {
        "facility_id": "id", "facility_code": "Facility_Code", "operational_status_id": "operational_status_id",
        "ward_id": "ward",
    }  # fmt: skip
    of_a_lookup = {"contact_type_id": "type_id", "name": "label"}
    assert columns_of(TABLES["contact_types"], ["type_id", "label"], key="type_id") == of_a_lookup
    assert columns_of(TABLES["contact_types"], ["type_id", "label"]) == of_a_lookup, "a copy of a table declares no key"


def test_codes_keep_to_capitals_digits_and_hyphens() -> None:
    assert [to_code(text) for text in ("FAC-1", "fac 3/b\n", "É1", "--", "x" * 51)] == ["FAC-1", "FAC-3-B", "1", "", ""]
    assert to_lookup_code("Spiritual Care", set()) == "spiritual-care"
    assert to_lookup_code("Spiritual Care", {"spiritual-care"}) == "spiritual-care-2"
    assert to_lookup_code("!!!", set()) == ""


def test_an_accuracy_is_the_text_s_else_the_decimals() -> None:
    assert [to_accuracy(text, otherwise="approximate") for text in ("GPS", "Low", "centroid", "x")] == [
        "exact",
        "approximate",
        "place-centre",
        "approximate",
    ]
