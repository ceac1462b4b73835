"""What data/raw/manifest.json promises of the seven files holds after an import."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from etl.models import DuplicatePair, SourceRecord, SourceRecordVersion
from facilities.models import Facility, FacilityCoordinate
from tests.world import MANIFEST, RAW, facility_at, record_at, rules_at, run_import

pytestmark = pytest.mark.django_db  # else no test database is made where these tests run alone

OUTCOMES = ("created", "updated", "unchanged", "merged", "rejected")


@pytest.fixture(scope="module")
def imported(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """Return the summary of one import that these tests only read; it is rolled back after the last of them."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield run_import(RAW)
        transaction.set_rollback(True)


def duplicates(kind: str) -> list[list[str]]:
    return [pair["records"] for pair in MANIFEST["duplicates"] if pair["kind"] == kind]


def test_the_rejects_are_those_of_the_manifest_by_pointer_and_rule(imported: dict[str, Any]) -> None:
    promised = {
        (source, reject["pointer"], reject["rule"])
        for source, entry in MANIFEST["sources"].items()
        for reject in entry["rejects"]
    }
    found = {
        (version.source_record.source, version.pointer, finding["rule"])
        for version in SourceRecordVersion.objects.filter(state="rejected").select_related("source_record")
        for finding in version.findings
        if finding["severity"] == "reject"
    }
    assert found == promised


def test_every_source_is_read_and_rejected_as_counted(imported: dict[str, Any]) -> None:
    promised = {name: (entry["records"], entry["rejected"]) for name, entry in MANIFEST["sources"].items()}
    assert {name: (row["read"], row["rejected"]) for name, row in imported["sources"].items()} == promised


def test_the_books_balance_for_each_source_and_in_total(imported: dict[str, Any]) -> None:
    for row in (*imported["sources"].values(), imported["totals"]):
        assert row["read"] == sum(row[outcome] for outcome in OUTCOMES)


def test_the_statement_is_what_the_database_holds(imported: dict[str, Any]) -> None:
    assert imported["totals"]["created"] == Facility.objects.count()
    assert imported["totals"]["read"] == SourceRecord.objects.count()
    assert imported["totals"]["rejected"] == SourceRecord.objects.filter(facility=None).count()


@pytest.mark.parametrize("pair", duplicates("exact"), ids=" = ".join)
def test_exact_duplicates_stand_for_one_facility(imported: dict[str, Any], pair: list[str]) -> None:
    one, other = pair
    assert facility_at(one) == facility_at(other)


@pytest.mark.parametrize("pair", duplicates("near"), ids=" = ".join)
def test_near_duplicates_are_merged_or_up_for_review(imported: dict[str, Any], pair: list[str]) -> None:
    first, second = sorted((record_at(place) for place in pair), key=lambda record: record.pk)
    is_review = DuplicatePair.objects.filter(first=first, second=second, decision="to_review").exists()
    assert first.facility == second.facility or is_review


@pytest.mark.parametrize("pair", [entry["records"] for entry in MANIFEST["look_alikes"]], ids=" - ".join)
def test_look_alikes_stay_two_facilities(imported: dict[str, Any], pair: list[str]) -> None:
    one, other = pair
    assert facility_at(one) != facility_at(other)


FINDING_RULES = [
    (rule, place)
    for rule in (
        "coordinates-swapped", "coordinates-zero", "coordinates-outside-kenya", "phone-unreadable", "email-unreadable",
        "constituency-unknown", "ward-unknown",
    )
    for place in MANIFEST["repairs"][rule]
]  # fmt: skip


@pytest.mark.parametrize(("rule", "place"), FINDING_RULES)
def test_what_was_repaired_is_reported_on_the_record(imported: dict[str, Any], rule: str, place: str) -> None:
    assert rule in rules_at(place)


def test_nothing_else_is_reported_as_repaired(imported: dict[str, Any]) -> None:
    promised = set(FINDING_RULES)
    listed = {rule for rule, _ in promised}
    found = {
        (finding["rule"], f"{version.source_record.source}:{version.pointer}")
        for version in SourceRecordVersion.objects.select_related("source_record")
        for finding in version.findings
        if finding["rule"] in listed
    }
    assert found == promised


@pytest.mark.parametrize("place", MANIFEST["repairs"]["coordinates-swapped"])
def test_swapped_coordinates_end_inside_kenya(imported: dict[str, Any], place: str) -> None:
    position = FacilityCoordinate.objects.get(facility=facility_at(place))
    assert -5 < position.latitude < 5.5
    assert 33.5 < position.longitude < 42


def test_coordinates_that_cannot_be_true_are_dropped(imported: dict[str, Any]) -> None:
    for rule in ("coordinates-zero", "coordinates-outside-kenya"):
        for place in MANIFEST["repairs"][rule]:
            assert not FacilityCoordinate.objects.filter(facility=facility_at(place)).exists()


@pytest.mark.parametrize("place", MANIFEST["repairs"]["county-by-alias-or-spelling"])
def test_a_county_in_another_spelling_is_resolved(imported: dict[str, Any], place: str) -> None:
    assert record_at(place).county_code
    assert "county-unknown" not in rules_at(place)


@pytest.mark.parametrize("place", MANIFEST["repairs"]["ward-by-alias-or-fuzzy"])
def test_a_ward_in_another_spelling_is_resolved(imported: dict[str, Any], place: str) -> None:
    assert facility_at(place).ward is not None


@pytest.mark.parametrize("place", MANIFEST["repairs"]["ward-unknown"])
def test_a_ward_that_nobody_knows_stays_empty(imported: dict[str, Any], place: str) -> None:
    version = record_at(place).latest_version
    assert not version.standardised.get("ward_code")
    assert facility_at(place).ward is None


def test_confidential_are_the_places_of_the_manifest_and_no_other(imported: dict[str, Any]) -> None:
    promised = {facility_at(place).facility_code for place in MANIFEST["confidential"]}
    found = set(Facility.objects.filter(is_confidential=True).values_list("facility_code", flat=True))
    assert found == promised


@pytest.mark.parametrize("clash", MANIFEST["registration_number_clashes"], ids=lambda clash: clash["number"])
def test_exactly_one_side_of_a_clash_keeps_the_registration_number(imported: dict[str, Any], clash: Any) -> None:
    facilities = [facility_at(place) for place in clash["records"]]
    holders = [facility for facility in facilities if facility.registration_number == clash["number"]]
    reported = [place for place in clash["records"] if "registration-number-clash" in rules_at(place)]
    assert len(set(facilities)) == 2
    assert len(holders) == 1
    assert [facility_at(place) for place in reported] == [
        facility for facility in facilities if facility not in holders
    ]
