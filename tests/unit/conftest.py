"""What the pure tests share: the register and its aliases, read from fixtures/."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from geography.gazetteer import Alias, Gazetteer, Level, Place

FIXTURES = Path(__file__).parents[2] / "fixtures"


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FIXTURES / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="session")
def places() -> list[Place]:
    rows = list(_rows("geography.csv"))
    counties = {Place(Level.COUNTY, r["county_code"], r["county"], "") for r in rows}
    areas = {Place(Level.CONSTITUENCY, r["constituency_code"], r["constituency"], r["county_code"]) for r in rows}
    wards = {Place(Level.WARD, r["ward_code"], r["ward"], r["constituency_code"]) for r in rows}
    return sorted(counties | areas | wards, key=lambda place: (place.level, place.code))


@pytest.fixture(scope="session")
def aliases() -> list[Alias]:
    return [
        Alias(r["level"], r["alias"], r["parent_code"], r["target_code"], r["kind"]) for r in _rows("place_aliases.csv")
    ]


@pytest.fixture(scope="session")
def gazetteer(places: list[Place], aliases: list[Alias]) -> Gazetteer:
    return Gazetteer.of(places, aliases)
