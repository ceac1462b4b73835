"""Kenya's wards, and about where its counties lie: what made-up records are placed in."""

import csv
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

GEOGRAPHY = Path(__file__).resolve().parent.parent / "fixtures" / "geography.csv"

# The former provinces, by the last county code of each: lists still sort by them.
_LAST_OF_REGION = {
    6: "COAST", 9: "NORTH EASTERN", 17: "EASTERN", 22: "CENTRAL", 36: "RIFT VALLEY", 40: "WESTERN", 46: "NYANZA",
    47: "NAIROBI",
}  # fmt: skip
# The middle of each county in degrees, to a tenth; in the order of the county codes.
_CENTRES = (
    (-4.0, 39.7), (-4.2, 39.3), (-3.3, 39.8), (-1.6, 39.7), (-2.2, 40.8), (-3.4, 38.5), (-0.4, 40.0), (1.9, 40.2),
    (3.6, 41.1), (2.9, 37.7), (0.9, 38.6), (0.2, 37.7), (-0.2, 37.9), (-0.5, 37.5), (-1.5, 38.3), (-1.3, 37.3),
    (-2.1, 37.7), (-0.3, 36.5), (-0.4, 36.9), (-0.6, 37.3), (-0.8, 37.1), (-1.1, 36.8), (3.3, 35.6), (1.6, 35.2),
    (1.3, 37.0), (1.0, 35.0), (0.5, 35.3), (0.8, 35.5), (0.2, 35.1), (0.6, 35.9), (0.3, 36.8), (-0.4, 36.1),
    (-1.2, 35.7), (-2.1, 36.8), (-0.3, 35.3), (-0.8, 35.3), (0.4, 34.8), (0.1, 34.7), (0.7, 34.6), (0.4, 34.2),
    (0.0, 34.3), (-0.1, 34.7), (-0.6, 34.5), (-1.0, 34.4), (-0.8, 34.8), (-0.6, 34.9), (-1.3, 36.8),
)  # fmt: skip
_SPREAD_DEGREES = 0.1  # of the wards around the middle of their county: inside Kenya for each of them


class Ward(NamedTuple):
    """A ward with the names of what it lies in, and about where."""

    code: str
    name: str
    constituency: str
    county: str
    region: str
    latitude: float
    longitude: float


@cache
def wards_by_constituency() -> tuple[tuple[Ward, ...], ...]:
    """Return the wards of each constituency, in the order of the codes: counties, and so regions, stay together."""
    with GEOGRAPHY.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["county_code"], row["constituency_code"]))
    return tuple(
        tuple(_ward(row) for row in inside) for _, inside in groupby(rows, key=lambda row: row["constituency_code"])
    )


def _ward(row: dict[str, str]) -> Ward:
    county = int(row["county_code"])
    region = next(name for last, name in _LAST_OF_REGION.items() if county <= last)
    latitude, longitude = _CENTRES[county - 1]
    # two steps that share no factor with their modulus: neighbouring codes do not fall on one line
    north, east = (int(row["ward_code"]) * 37 % 101 / 50 - 1, int(row["ward_code"]) * 53 % 103 / 51 - 1)
    return Ward(
        row["ward_code"], row["ward"], row["constituency"], row["county"], region,
        latitude + north * _SPREAD_DEGREES, longitude + east * _SPREAD_DEGREES,
    )  # fmt: skip
