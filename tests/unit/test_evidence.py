"""Each feature, veto and doubt; and what is judged in bulk."""

import random
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from benchmarks.labelled import HELD_OUT, LABELLED, PRECISION_GOAL, THIRD, read_labelled
from etl.stages import evidence
from etl.stages.evidence import FEATURES, MERGE_AT, REVIEW_AT, InBulk, judge
from etl.stages.names import read_name
from etl.stages.records import MatchRecord, Verdict

PLACES = frozenset({"kapsabet", "kapsaret", "kiambu", "kiambaa"})
SAME_WARD = {"constituency": "145", "ward": "0681"}
PHONE = {"contacts": frozenset({"+254712000239"})}


def record(name: str = "Iten Hospital", **fields) -> MatchRecord:
    defaults = {
        "source": "regional", "key": "text:1", "code": "GVRC-1", "facility": None, "is_new": True, "county": "028",
        "facility_type": "hospital", "kind": "health",
    } | fields  # fmt: skip
    order = (1, defaults["key"], defaults["code"], 0)
    return MatchRecord(order=order, name=read_name(name, kind=defaults["kind"], place_words=PLACES), **defaults)


def other(name: str = "Iten Hospital", **fields) -> MatchRecord:
    return record(name, **{"source": "category_A", "key": "text:2", "code": "GVRC-2"} | fields)


def test_the_weights_and_names_of_the_features_are_these():
    assert {title: weight for title, (_, weight) in FEATURES.items()} == {
        "name": 0.45, "type": 0.1, "place": 0.2, "distance": 0.2, "phone": 0.3, "email": 0.25, "registration": 0.2,
        "listing": 0.15, "identifier": 1.0,
    }  # fmt: skip
    assert (MERGE_AT, REVIEW_AT) == (0.7, 0.41)


@pytest.mark.parametrize(
    ("one", "two", "value"),
    [
        ("Iten County Referral Hospital", "ITEN C/R/H", 1.0),
        ("Langata Health Centre", "Lang'ata H/C", 1.0),
        ("Mlango P/STN", "Mlango Police Station", 1.0),
        ("Ol Moran Dispensary", "Olmoran Disp.", 1.0),
        ("Hospitali ya Bamba", "Bamba Hospital", 1.0),
        ("3. Mkongani Health Centre", "Mkongani Helath Center", 1.0),
        ("MTRH", "Moi Teaching and Referral Hospital", 1.0),
        ("Embu Level 5 Hospital", "Embu Level V Hospital", 1.0),
        ("Moi Hospital", "Moi Barracks Hospital", 0.4),
        ("Kirwara Hospital", "Kirwala Hospital", pytest.approx(0.314, abs=0.001)),
        ("Iten Hospital", "Nyeri Hospital", 0.0),
    ],
)
def test_names_are_compared_by_their_own_words(one, two, value):
    assert evidence.name(record(one), other(two)) == value


@pytest.mark.parametrize(
    ("one", "two", "value"),
    [
        ("hospital", "hospital", 0.5),
        ("dispensary", "health-centre", 0.0),
        ("police-station", "police-post", -1.0),
        ("", "hospital", 0.5),
    ],
)
def test_types_agree_may_have_become_the_other_or_part(one, two, value):
    assert evidence.facility_type(record(facility_type=one), other(facility_type=two)) == value
    assert evidence.facility_type(record("Iten", facility_type=""), other("Iten Hospital")) == 0.0


@pytest.mark.parametrize(
    ("one", "two", "value"),
    [
        (("145", "0681"), ("145", "0681"), 1.0),
        (("145", "0681"), ("145", ""), 0.4),
        (("145", "0681"), ("145", "0682"), -1.0),
        (("145", ""), ("146", ""), -1.0),
        (("145", "0681"), ("", ""), 0.0),
    ],
)
def test_places_speak_level_by_level(one, two, value):
    sides = [{"constituency": constituency, "ward": ward} for constituency, ward in (one, two)]
    assert evidence.place(record(**sides[0]), other(**sides[1])) == value


@pytest.mark.parametrize(
    ("degrees", "blur_km", "value"),
    [
        (0.001, 0.0, 1.0),  # 111 m
        (0.001, 1.0, 0.5),
        (0.0113, 0.0, pytest.approx(0.497, abs=0.01)),  # 1.26 km
        (0.0317, 0.0, pytest.approx(-0.508, abs=0.01)),  # 3.5 km
        (0.0317, 1.0, pytest.approx(-0.175, abs=0.01)),
        (0.1, 0.0, -1.0),
    ],
)
def test_distance_speaks_in_kilometres(degrees, blur_km, value):
    one, two = record(point=(0.5, 35.5)), other(point=(0.5 + degrees, 35.5), blur_km=blur_km)
    assert evidence.distance(one, two) == evidence.distance(two, one) == value
    assert evidence.distance(one, other()) == 0.0


def test_phones_and_emails_in_common_speak_for_one_place():
    mail = frozenset({"info@example.or.ke"})
    both = {"contacts": PHONE["contacts"] | mail, "emails": mail}
    assert evidence.phone(record(**PHONE), other(**both)) == 1.0
    assert evidence.phone(record(**PHONE), other(contacts=frozenset({"+254712000240"}))) == -0.3
    assert evidence.phone(record(**PHONE), other(contacts=mail, emails=mail)) == 0.0
    assert (evidence.email(record(**both), other(contacts=mail, emails=mail)), evidence.email(record(), other())) == (
        1,
        0,
    )


def test_a_registration_number_in_common_speaks_for_one_place_and_two_against():
    assert evidence.registration(record(registration_number="A1"), other(registration_number="A1")) == 1.0
    assert evidence.registration(record(registration_number="A1"), other(registration_number="A2")) == -1.0
    assert evidence.registration(record(registration_number="A1"), other()) == 0.0


def test_a_list_that_drops_one_as_it_adds_the_other_speaks_for_one_place():
    dropped = record(
        "Kyuso Dispensary", facility_type="dispensary", facility=7, is_new=False, is_missing=True, **SAME_WARD
    )
    added = record("Kyuso Health Centre", facility_type="health-centre", key="text:2", code="GVRC-2", **SAME_WARD)
    assert evidence.listing(dropped, added) == evidence.listing(added, dropped) == 1.0
    assert judge(dropped, added).verdict is Verdict.MERGE, "upgraded in a newer list"
    still_listed = replace(dropped, is_missing=False)
    assert evidence.listing(still_listed, added) == -1.0
    assert judge(still_listed, added).verdict is Verdict.REVIEW, "the list has both"
    assert evidence.listing(dropped, replace(added, source="category_A")) == 0.0


def test_one_national_code_decides_and_two_part():
    assert judge(record(identifier="14586"), other("Iten Mission", identifier="14586")).verdict is Verdict.MERGE
    assert judge(record(identifier="14586", **PHONE), other(identifier="14587", **PHONE)).verdict is Verdict.DISTINCT
    contradiction = judge(record(identifier="14586"), other("Zulu Hospital", identifier="14586"))
    assert (contradiction.verdict, contradiction.score) == (Verdict.REVIEW, 1.0)
    assert contradiction.veto in contradiction.reason


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Ukunda East Dispensary", "Ukunda West Dispensary"),
        ("Mathare 1 Clinic", "Mathare II Clinic"),
        ("Mathare 5 Clinic", "Mathare 6 Clinic"),
        ("Manyatta A Dispensary", "Manyatta B Dispensary"),
        ("Equity Afia (Kikuyu)", "Equity Afia (Thika)"),
        ("Kapsabet Hospital", "Kapsaret Hospital"),
        ("Kiambu Hospital", "Kiambaa Hospital"),
    ],
)
def test_directions_numbers_branches_and_names_of_two_places_are_vetoes(one, two):
    everything = SAME_WARD | PHONE | {"point": (0.5, 35.5)}
    for mine, theirs in ((one, two), (two, one)):
        assert judge(record(mine, **everything), other(theirs, **everything)).verdict is Verdict.DISTINCT


def test_what_only_one_name_says_and_a_letter_of_difference_go_to_a_person_however_much_speaks_for_it():
    everything = SAME_WARD | PHONE | {"point": (0.5, 35.5)}
    for mine, theirs in (("Ukunda", "Ukunda East"), ("Kigumo Hospital", "Kiguno Hospital")):
        assert judge(record(mine, **everything), other(theirs, **everything)).verdict is Verdict.REVIEW
    centre = other("Gender Violence Recovery Centre Iten", facility_type="gbv-recovery-centre", **everything)
    assert judge(record(**everything), centre).verdict is Verdict.REVIEW


def test_a_score_is_the_sum_of_its_parts_between_0_and_1():
    pair = judge(record(**SAME_WARD, **PHONE), other(**SAME_WARD, **PHONE))
    assert dict(pair.features) == {"name": 0.45, "type": 0.05, "place": 0.2, "phone": 0.3}
    assert pair.score == pytest.approx(sum(pair.features.values())) == 1.0
    apart = {"constituency": "145", "ward": "0682", "contacts": frozenset({"+254712000240"})}
    assert judge(record(**SAME_WARD, **PHONE), other(**apart)).score == pytest.approx(0.21)


def random_record(rng: random.Random, number: int) -> MatchRecord:
    word = rng.choice(
        ["Iten", "Itten", "Kapsabet", "Kapsaret", "Moi", "Moi Barracks", "El Wak", "Elwak", "Amani", "Imani"]
    )
    constituency = rng.choice(["", "145", "146"])
    return record(
        f"{word} {rng.choice(['Hospital', 'Dispensary', ''])}",
        key=f"text:{number}",
        code=f"GVRC-{number}",
        source=rng.choice(["regional", "category_A"]),
        facility_type=rng.choice(["hospital", "dispensary", ""]),
        constituency=constituency,
        ward=rng.choice(["", f"{constituency}1", f"{constituency}2"]) if constituency else "",
        registration_number=rng.choice(["", "", "A1", "A2"]),
        point=rng.choice([None, (0.5, 35.5), (0.501, 35.5), (0.6, 35.5)]),
        contacts=frozenset(rng.choice([(), (f"+2547120000{number:02d}",)])),
        is_missing=rng.random() < 0.2,
    )


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_out_in_bulk_is_distinct_one_by_one(seed):
    rng = random.Random(seed)
    records = [random_record(rng, number) for number in range(60)]
    pairs = list(combinations(range(len(records)), 2))
    first, second = np.array(pairs, dtype=np.intp).T
    may_be_one = InBulk(records).may_be_one(first, second)
    kept = {pair for pair, is_kept in zip(pairs, may_be_one, strict=True) if is_kept}
    wanted = {pair for pair in pairs if judge(records[pair[0]], records[pair[1]]).verdict is not Verdict.DISTINCT}
    assert wanted <= kept
    assert len(kept) < len(pairs)


@pytest.mark.parametrize(("path", "recall_percent"), [(LABELLED, 90), (HELD_OUT, 77), (THIRD, 62)])
def test_what_merges_by_itself_of_the_labelled_pairs_is_right(path, recall_percent):
    pairs = read_labelled(path)
    assert len(pairs) >= 300
    merged = [pair for pair in pairs if pair.verdict is Verdict.MERGE and pair.is_same is not None]
    right = [pair for pair in merged if pair.is_same]
    assert 100 * len(right) / len(merged) >= PRECISION_GOAL
    assert 100 * len(right) / sum(pair.is_same is True for pair in pairs) >= recall_percent
