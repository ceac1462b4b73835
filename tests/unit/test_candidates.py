"""Every pair that the document's score flags is found, and none besides: compared with scoring all pairs."""

import random
from itertools import combinations

import numpy as np
import pytest
from rapidfuzz import fuzz, process

from etl.stages.candidates import (
    CONTACT_WEIGHT,
    LOCATION_WEIGHT,
    NAME_WEIGHT,
    ROUNDING,
    THRESHOLD,
    find_candidates,
    similarity,
)
from etl.stages.names import read_name
from etl.stages.records import MatchRecord

OWN_WORDS = [
    "Kapsabet", "Kapsaret", "Iten", "Kinango", "Township", "Diani", "Msambweni", "Ukunda East", "Ukunda West",
    "Gender Violence Recovery Centre of the Womens Hospital at Adams Arcade on Ngong Road", "St. Mary's", "Amani", "Imani",
]  # fmt: skip
ENDINGS = ["Dispensary", "Hospital", "Health Centre", "Police Station", "Medical Clinic", "P/STN", "Disp.", ""]


def record(number: int, name: str, **fields) -> MatchRecord:
    defaults = {"facility": None, "is_new": True, "facility_type": "", "kind": "", "county": "029"}
    order = (1, f"text:{number}", f"GVRC-{number}", 0)
    return MatchRecord(
        order=order, source="regional", key=order[1], code=order[2], name=read_name(name), **defaults | fields
    )


def random_records(rng: random.Random, count: int, *, counties: tuple[str, ...] = ("029",)) -> list[MatchRecord]:
    """Return records with typing errors, shared contacts, missing places; few names, so that many pairs lie near the bound."""
    records = []
    for number in range(count):
        words = rng.sample(OWN_WORDS, rng.choice([1, 1, 2, 3]))
        name = f"{' '.join(words)} {rng.choice(ENDINGS)} {rng.choice(['', '', str(rng.randint(1, 400))])}"
        at = rng.randrange(len(name))
        name = rng.choice([name, name, name[:at] + name[at + 1 :], f"{name[:at]}a{name[at:]}"])
        constituency = rng.choice(["", "145", "146", "147", "148"])
        contacts = rng.sample(range(count), rng.randint(1, 3)) if rng.random() < 0.5 else []
        records.append(
            record(
                number,
                name,
                is_new=rng.random() < 0.7,
                county=rng.choice(counties),
                constituency=constituency,
                ward=rng.choice(["", *(f"{constituency}{ward}" for ward in range(3))]) if constituency else "",
                contacts=frozenset(str(contact) for contact in contacts),
            )
        )
    return records


def found(records: list[MatchRecord]) -> set[tuple[int, int]]:
    """Return the candidate pairs; each must come once and in order."""
    pairs = [
        pair
        for part in find_candidates(records)
        for pair in zip(part.first.tolist(), part.second.tolist(), strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    assert all(first < second for first, second in pairs)
    return set(pairs)


def flagged_one_by_one(records: list[MatchRecord]) -> set[tuple[int, int]]:
    return {
        (one, other)
        for one, other in combinations(range(len(records)), 2)
        if (records[one].is_new or records[other].is_new)
        and similarity(records[one], records[other]) >= THRESHOLD - ROUNDING
    }


def flagged_in_full(records: list[MatchRecord]) -> set[tuple[int, int]]:
    """Return the same from whole matrices, for sets too large to score one by one: no blocks, no bounds, no cut-off."""
    names = [record.name.text for record in records]
    name = process.cdist(names, names, scorer=fuzz.ratio, dtype=np.float64) / 100

    def known_and_same(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        column = np.array(texts)
        known = (column != "")[:, None] & (column != "")[None, :]
        return known, known & (column[:, None] == column[None, :])

    known_constituency, same_constituency = known_and_same([record.constituency for record in records])
    known_ward, same_ward = known_and_same([record.ward for record in records])
    place = (1.0 + same_constituency + same_ward) / (1.0 + known_constituency + known_ward)
    contacts = sorted({contact for record in records for contact in record.contacts})
    gives = np.array([[contact in record.contacts for contact in contacts] for record in records], dtype=np.float64)
    counts = gives.sum(axis=1)
    both = (counts > 0)[:, None] & (counts > 0)[None, :]
    common = (gives @ gives.T) / np.maximum(1.0, np.minimum(counts[:, None], counts[None, :]))
    score = NAME_WEIGHT * name + LOCATION_WEIGHT * place + CONTACT_WEIGHT * common * both
    score /= NAME_WEIGHT + LOCATION_WEIGHT + CONTACT_WEIGHT * both
    new = np.array([record.is_new for record in records])
    hits = np.triu((score >= THRESHOLD - ROUNDING) & (new[:, None] | new[None, :]), k=1)
    return {(int(one), int(other)) for one, other in zip(*np.nonzero(hits), strict=True)}


@pytest.mark.parametrize("seed", range(50))
def test_the_candidates_of_300_to_2000_records_are_all_pairs_that_the_score_flags(seed):
    rng = random.Random(seed)
    records = random_records(rng, rng.randint(300, 2000))
    assert found(records) == flagged_in_full(records)


@pytest.mark.parametrize("seed", range(10))
def test_scoring_pair_by_pair_says_the_same_over_several_counties(seed):
    records = random_records(random.Random(seed), 250, counties=("029", "030", "031"))
    assert found(records) == flagged_one_by_one(records)


def test_a_pair_at_exactly_the_threshold_is_found():
    # (0.5 * 0.68 + 0.3 * 1) / 0.8: the name score that the same place leaves open
    one, other = record(1, "a" * 17 + "b" * 8), record(2, "a" * 17 + "c" * 8)
    assert similarity(one, other) == pytest.approx(0.8)
    assert found([one, other]) == {(0, 1)}


def test_two_equal_facilities_whose_contacts_differ_score_080_and_are_found():
    one, other = (record(n, "Iten Hospital", contacts=frozenset({f"+25471200000{n}"})) for n in (1, 2))
    assert similarity(one, other) == pytest.approx(0.8)
    assert found([one, other]) == {(0, 1)}


def test_long_names_of_two_constituencies_are_found_two_letters_apart():
    long = "Gender Violence Recovery Desk of the County Referral and Teaching Hospital at Kapsabet"
    one, other = record(1, long, constituency="145"), record(2, f"{long}ab", constituency="146", ward="1461")
    assert similarity(one, other) >= THRESHOLD
    assert found([one, other]) == {(0, 1)}


def test_old_records_are_not_compared_with_each_other():
    assert found([record(n, "Iten Hospital", is_new=False) for n in (1, 2)]) == set()
