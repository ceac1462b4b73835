"""Which place comes first, how far it is in words, how complete it is; and what a person types for a point."""

from decimal import Decimal

import pytest

from facilities.completeness import WORTH_HAVING, completeness
from facilities.nearness import Candidate, Freshness, band_of, distance_text, last_needed, middle_of, rank_of
from geography.bounds import why_not_in_kenya

FRESH, STALE, NEVER = Freshness


def place(name, distance, freshness=NEVER, *, level=0, is_inside=False):
    return Candidate(
        pk=1, name=name, level=level, distance=distance, is_about=False, is_inside=is_inside, freshness=freshness
    )


def order(*places):
    return [each.name for each in sorted(places, key=rank_of)]


@pytest.mark.parametrize(
    ("km", "band"), [(0, 0), (5, 0), (5.1, 1), (10, 1), (25, 2), (50, 3), (100, 4), (200, 5), (201, 6), (None, 7)]
)
def test_a_distance_lies_in_the_first_band_that_reaches_so_far(km, band):
    assert band_of(km) == band


def test_inside_a_band_a_verified_place_comes_before_a_nearer_one():
    far = place("far", 24, FRESH)
    assert order(place("near", 11), place("old", 12, STALE), far, place("next", 3)) == ["next", "far", "old", "near"]


def test_a_verified_place_of_a_farther_band_comes_after_an_unverified_nearer_one():
    assert order(place("far", 30, FRESH), place("near", 24)) == ["near", "far"]


def test_an_unknown_distance_comes_last():
    assert order(place("unknown", None, FRESH), place("far", 900)) == ["far", "unknown"]


def test_what_lies_in_the_place_asked_for_comes_first_however_far_from_its_middle():
    inside = place("inside", 90, is_inside=True), place("inside, no position", None, FRESH, is_inside=True)
    assert order(place("outside", 1, FRESH, level=1), *inside) == ["inside, no position", "inside", "outside"]


def test_the_middle_is_no_mean():
    assert middle_of([(-1.0, 36.0), (-1.2, 36.2), (4.0, 41.0)]) == (-1.0, 36.2)
    assert middle_of([]) is None


@pytest.mark.parametrize(
    ("km", "is_about", "text"),
    [(None, False, ""), (0.2, False, "less than 1 km"), (0.2, True, "about 1 km"), (3.42, False, "3.4 km"),
     (3.42, True, "about 3 km"), (12.4, False, "12 km"), (12.4, True, "about 12 km")],
)  # fmt: skip
def test_a_distance_in_words_promises_no_more_than_is_known(km, is_about, text):
    assert distance_text(km, is_about=is_about) == text


def test_completeness_names_what_is_missing():
    everything = dict.fromkeys(WORTH_HAVING, True)
    assert str(completeness(everything)) == "100 %"
    assert str(completeness(everything | {"ward": False, "contacts": False})) == "80 %, missing: a ward, a contact"
    assert completeness({}).percent == 0


@pytest.mark.parametrize(
    ("latitude", "longitude", "reason"),
    [("-1.2921", "36.8219", ""), ("36.8219", "-1.2921", "swapped"), ("51.5", "-0.1", "outside Kenya"),
     ("NaN", "36", "outside Kenya"), ("0", "0", "outside Kenya")],
)  # fmt: skip
def test_a_point_outside_kenya_or_swapped_is_told_apart(latitude, longitude, reason):
    said = why_not_in_kenya(Decimal(latitude), Decimal(longitude))
    assert reason in said
    assert bool(reason) == bool(said)


@pytest.mark.parametrize(("limit", "last"), [(1, (0, 0)), (2, (0, 0)), (3, (0, 3)), (4, (1, 1)), (9, (1, 1))])
def test_no_more_bands_are_looked_at_than_hold_the_first_places(limit, last):
    assert last_needed([(1, 1), (0, 0), (0, 3), (0, 0)], limit=limit) == last
