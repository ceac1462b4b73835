"""Vetoes, and clusters that nothing stands against."""

import random
from dataclasses import replace
from itertools import combinations

import pytest

from etl.stages.dedupe import match_county
from etl.stages.evidence import find_veto, judge
from etl.stages.names import read_name
from etl.stages.records import MatchRecord, Verdict

PLACES = ["Kapsabet", "Kapsaret", "Iten", "Kinango", "Township", "Diani", "Msambweni", "Ukunda East", "Ukunda West"]
ENDINGS = ["Dispensary", "Hospital", "Health Centre", "Police Station", "Medical Clinic", "P/STN", "Disp."]


def record(
    name: str, number: int = 0, *, kind: str = "health", facility_type: str = "hospital", **fields
) -> MatchRecord:
    defaults = {
        "order": (1, f"text:{number}", f"GVRC-{number}", 0),
        "source": "regional",
        "key": f"text:{number}",
        "code": f"GVRC-{number}",
        "facility": None,
        "is_new": True,
        "county": "029",
    }
    return MatchRecord(name=read_name(name, kind=kind), kind=kind, facility_type=facility_type, **defaults | fields)


def misspell(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return rng.choice([text, text, text[:at] + text[at + 1 :], f"{text[:at]}a{text[at:]}", text.upper()])


def county_of(seed: int) -> list[MatchRecord]:
    """Return 40 to 150 records with typing errors, shared contacts and missing places."""
    rng = random.Random(seed)
    records = []
    for number in range(rng.randint(40, 150)):
        ending = rng.choice(ENDINGS)
        is_police = ending in ("Police Station", "P/STN")
        constituency = rng.choice(["", "145", "146", "147"])
        records.append(
            record(
                misspell(rng, f"{rng.choice(PLACES)} {ending}"),
                number,
                kind="police" if is_police else "health",
                facility_type="police-station" if is_police else rng.choice(["hospital", "dispensary", ""]),
                order=(rng.randint(1, 7), f"text:{number}", f"GVRC-{number}", 0),
                facility=number if rng.random() < 0.2 else None,
                is_new=rng.random() < 0.8,
                constituency=constituency,
                ward=rng.choice(["", f"{constituency}1", f"{constituency}2"]) if constituency else "",
                identifier=str(rng.randint(1, 60)) if rng.random() < 0.3 else "",
                point=(0.2 + rng.random() / 50, 35.1) if rng.random() < 0.3 else None,
                contacts=frozenset(rng.sample([f"+2547120000{n}" for n in range(10, 60)], rng.randint(0, 3))),
            )
        )
    return records


def test_two_equal_facilities_without_contacts_are_found():
    twins = [record("Iten County Referral Hospital", number, ward="0681", constituency="145") for number in (1, 2)]
    assert match_county(twins)[0] == [[0, 1]]


def test_no_record_and_one_record_have_no_candidates():
    assert match_county([]) == ([], [])
    assert match_county([record("Iten Hospital")]) == ([[0]], [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (record("Ukunda East Dispensary"), record("Ukunda West Dispensary")),
        (record("Mathare 1 Clinic"), record("Mathare 2 Clinic")),
        (record("Manyatta A Dispensary"), record("Manyatta B Dispensary")),
        (record("Equity Afia Medical Centre (Kikuyu)"), record("Equity Afia Medical Centre (Thika)")),
        (record("Iten"), record("Iten", kind="police")),
        (record("Iten Hospital", identifier="14586"), record("Iten Hospital", identifier="14587")),
    ],
    ids=["direction", "number", "letter", "branch", "kind", "identifier"],
)
def test_a_veto_parts_what_shares_a_phone_and_a_ward(one, other):
    place = {"constituency": "145", "ward": "0681", "contacts": frozenset({"+254712000239"})}
    one, other = (
        replace(one, **place),
        replace(other, code="GVRC-9", key="text:9", order=(2, "text:9", "GVRC-9", 0), **place),
    )
    assert find_veto(one, other)
    assert find_veto(other, one)
    assert judge(one, other).verdict is Verdict.DISTINCT
    assert match_county([one, other]) == ([[0], [1]], [])


@pytest.mark.parametrize("shared", [{}, {"ward": "0681"}, {"contacts": frozenset({"+254712000239"})}])
def test_kapsabet_and_kapsaret_are_not_merged(shared):
    names = ("Kapsabet Police Station", "Kapsaret Police Station")
    stations = [record(name, number, kind="police", **shared) for number, name in enumerate(names)]
    assert match_county(stations)[0] == [[0], [1]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Iten County Referral Hospital", "Iten County Referral Hosp."),
        ("DIANI P/STN", "Diani Police Station"),
        ("GVRC Nairobi Womens Hosp.", "Gender Violence Recovery Centre - Nairobi Women's Hospital"),
    ],
)
def test_spellings_of_one_name_are_no_veto(one, other):
    assert find_veto(record(one), record(other)) == ""


@pytest.mark.parametrize("seed", range(30))
def test_a_cluster_holds_one_facility_at_most_and_no_pair_that_a_veto_parts(seed):
    records = county_of(seed)
    clusters, pairs = match_county(records)
    assert sorted(index for cluster in clusters for index in cluster) == list(range(len(records)))
    for cluster in clusters:
        assert len({records[index].facility for index in cluster} - {None}) <= 1
        assert not any(find_veto(records[i], records[j]) for i, j in combinations(cluster, 2))
    cluster_of = {index: number for number, cluster in enumerate(clusters) for index in cluster}
    for pair in pairs:
        assert (cluster_of[pair.first] == cluster_of[pair.second]) is (pair.verdict is Verdict.MERGE)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_records_changes_neither_clusters_nor_pairs(seed):
    records = county_of(seed)
    shuffled = random.Random(seed + 1000).sample(records, len(records))

    def result(some: list[MatchRecord]) -> tuple[set, set]:
        clusters, pairs = match_county(some)
        named = {tuple(some[index].order for index in cluster) for cluster in clusters}
        return named, {
            (frozenset((some[p.first].order, some[p.second].order)), p.verdict, p.score, p.reason) for p in pairs
        }

    assert result(shuffled) == result(records)


def test_two_facilities_that_stand_are_never_joined_but_shown_to_a_person():
    twins = [record("Iten Hospital", n, facility=n, constituency="145", ward="0681", is_new=n == 1) for n in (1, 2)]
    clusters, (pair,) = match_county(twins)
    assert clusters == [[0], [1]]
    assert pair.verdict is Verdict.REVIEW
