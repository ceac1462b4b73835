"""How the shape of a source moves between two deliveries."""

import pytest

from etl.stages.drift import Kind, find_drift, merge_profiles
from etl.stages.inference import Inference


def shape(records):
    inference = Inference()
    for record in records:
        inference.add(record)
    return merge_profiles([inference.profile()])


def drift(before, now):
    return find_drift("regional", before=shape(before), now=shape(now), counts=(len(before), len(now)))


RECORD = {"name": "Kilifi Clinic", "phone": "0722", "place": {"ward": "Sokoni"}}
TEN = [RECORD] * 10


def without(name):
    return {key: value for key, value in RECORD.items() if key != name}


@pytest.mark.parametrize(
    ("now", "moves"),
    [
        (TEN, []),
        ([RECORD | {"email": "a@b.co"}] * 10, [(Kind.NEW, "email", False)]),
        ([without("phone")] * 10, [(Kind.VANISHED, "phone", True)]),
        ([without("place")] * 10, [(Kind.VANISHED, "place", True)]),  # and not place.ward beside it
        ([RECORD | {"phone": 722}] * 10, [(Kind.RETYPED, "phone", True)]),
        ([RECORD | {"phone": 722}] * 5 + [RECORD] * 5, [(Kind.MIXED, "phone", False)]),
        ([RECORD | {"phone": " "}] * 5 + [RECORD] * 5, [(Kind.JUMPED, "phone", False)]),
        ([RECORD | {"phone": None}] * 1 + [RECORD] * 9, []),
        ([RECORD | {"Safe House Amani": 1}] + [RECORD] * 9, []),  # one record's member may be a value
        ([without("phone")] * 9 + [RECORD], [(Kind.JUMPED, "phone", False)]),  # all but one lost it
        ([RECORD] * 12, []),
    ],
)
def test_a_move_is_named_with_its_path(now, moves):
    assert [(move.kind, move.path, move.is_breaking) for move in drift(TEN, now)] == moves


def test_a_member_that_was_one_records_and_is_now_everybodys_is_named():
    before = [RECORD | {"email": "a@b.co"}] + [RECORD] * 9
    assert [move.kind for move in drift(before, [RECORD | {"email": "a@b.co"}] * 10)] == [Kind.JUMPED]


def test_whole_and_broken_numbers_are_one_type():
    assert drift([{"lat": 3}] * 10, [{"lat": 3.5}] * 10) == []


def test_a_count_that_jumps_is_named():
    (jump,) = drift(TEN, [RECORD] * 15)
    assert (jump.kind, jump.message) == (Kind.JUMPED, "15 records, 10 in its last good run (+50 %)")


def test_a_first_delivery_and_a_tiny_one_have_no_drift():
    assert drift([], TEN) == []
    assert drift([RECORD] * 3, [{"other": 1}] * 3) == []


def test_a_source_in_parts_has_one_shape():
    first, second = Inference(), Inference()
    first.add({"name": "a", "phone": 1})
    second.add({"name": "b", "phone": None})
    merged = merge_profiles([first.profile(), second.profile()])
    assert (merged["phone"].records, merged["phone"].types, merged["phone"].nulls) == (2, ("integer", "null"), 1)
