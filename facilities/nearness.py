"""Which of the places that offer a service comes first: by distance band, then whether somebody was reached there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import inf
from statistics import median

BANDS_KM = (5, 10, 25, 50, 100, 200)
_FARTHER, _UNKNOWN = len(BANDS_KM), len(BANDS_KM) + 1
Point = tuple[float, float]  # latitude, longitude


class Freshness(IntEnum):
    """How much the contacts of a place can be relied on, the best first."""

    FRESH = 0
    STALE = 1
    NEVER = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that offers what is asked for.

    `level` counts how far its ward, constituency or county lies from what was asked for; `distance` is in km, None where it
    is not known; a place that lies inside what was asked for `is_inside` has no distance to be ordered by.
    """

    pk: int
    name: str
    level: int
    distance: float | None
    is_about: bool
    is_inside: bool
    freshness: Freshness


def rank_of(candidate: Candidate) -> tuple[int, int, Freshness, float, str, int]:
    """Return what candidates are sorted by."""
    distance = inf if candidate.distance is None else candidate.distance
    within = 0 if candidate.is_inside else band_of(candidate.distance)
    return candidate.level, within, candidate.freshness, distance, candidate.name, candidate.pk


def band_of(distance: float | None) -> int:
    """Return the number of the band that a distance in km lies in; an unknown one comes after all others."""
    if distance is None:
        return _UNKNOWN
    return next((number for number, most in enumerate(BANDS_KM) if distance <= most), _FARTHER)


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
