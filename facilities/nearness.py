"""Which of the places that offer a service comes first: by distance band, then whether somebody was reached there. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum
from math import inf
from statistics import median
from typing import NamedTuple

BANDS_KM = (5, 10, 25, 50, 100, 200)
_UNKNOWN = len(BANDS_KM) + 1  # the one before holds what is farther than the last
Point = tuple[float, float]  # latitude, longitude


class Freshness(IntEnum):
    """How much the contacts of a place can be relied on, the best first."""

    FRESH = 0
    STALE = 1
    NEVER = 2


class Candidate(NamedTuple):
    """A place that offers what is asked for.

    `level` counts how far its ward, constituency or county lies from what was asked for; `distance` is in km, None where it
    is not known; a place that lies inside what was asked for `is_inside` has no distance to be ordered by. `middle_of` is "ward",
    "constituency" or "county" where not its own position is known but the middle of what is known there.
    """

    pk: int
    name: str
    level: int
    distance: float | None
    is_about: bool
    is_inside: bool
    freshness: Freshness = Freshness.NEVER
    middle_of: str = ""

    @property
    def band(self) -> tuple[int, int]:
        """Its level, and the band of its distance there."""
        return self.level, 0 if self.is_inside else band_of(self.distance)


def rank_of(candidate: Candidate) -> tuple[int, int, Freshness, float, str, int]:
    """Return what candidates are sorted by."""
    distance = inf if candidate.distance is None else candidate.distance
    return *candidate.band, candidate.freshness, distance, candidate.name, candidate.pk


def band_of(distance: float | None) -> int:
    """Return the number of the band that a distance in km lies in; an unknown one comes after all others."""
    return _UNKNOWN if distance is None else bisect_left(BANDS_KM, distance)


def last_needed(bands: Iterable[tuple[int, int]], *, limit: int) -> tuple[int, int]:
    """Return the last (level, band) that holds one of the first `limit` places, given where each of them lies."""
    places, last = 0, (0, 0)
    for last, count in sorted(Counter(bands).items()):  # noqa: B007 - the last one is the answer
        places += count
        if places >= limit:
            break
    return last


def middle_of(points: Sequence[Point]) -> Point | None:
    """Return the median latitude and longitude: a few positions far off do not move it. None without a point."""
    if not points:
        return None
    return median(latitude for latitude, _ in points), median(longitude for _, longitude in points)


def distance_text(distance: float | None, *, is_about: bool) -> str:
    """Return a distance in km in words; "" where none is known."""
    if distance is None:
        return ""
    if distance < 1:
        return "about 1 km" if is_about else "less than 1 km"
    text = f"{distance:.1f}" if distance < 10 and not is_about else f"{distance:.0f}"
    return f"{'about ' if is_about else ''}{text} km"
