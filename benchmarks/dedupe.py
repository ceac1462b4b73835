"""`python -m benchmarks.dedupe`: how matching grows, beside the naive double loop.

Prints, for each size, the seconds of candidates and of the whole matching, candidate pairs and peak memory; then the growth
exponent (slope of log seconds over log records, first size to last) and the largest size that a double loop over each county
finishes in a minute. Each size runs in a process of its own, on one core, county after county as an import does.
"""

import csv
import json
import math
import multiprocessing
import random
import resource
import string
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from etl.stages.candidates import ROUNDING, THRESHOLD, find_candidates, similarity
from etl.stages.dedupe import match_county
from etl.stages.names import read_name
from etl.stages.records import MatchRecord

ROOT = Path(__file__).resolve().parent.parent
SIZES = (10_000, 100_000, 1_000_000)
NAIVE_SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
A_MINUTE = 60
GOAL_SECONDS, GOAL_EXPONENT = 10, 1.2  # of 100,000 records; of the growth

TYPES = {
    "Dispensary": "dispensary", "Health Centre": "health-centre", "Medical Clinic": "clinic", "Hospital": "hospital",
    "Sub County Hospital": "hospital", "Nursing Home": "nursing-home", "Police Station": "police-station",
}  # fmt: skip
SAINTS = ("St. Mary's", "St. Joseph", "Upendo", "Neema", "Tumaini", "Amani", "Baraka", "Imani", "PCEA", "AIC")


def generate(count: int, *, seed: int = 1) -> Iterator[list[MatchRecord]]:
    """Yield the records of one county after the other, counties sized by their wards: 5 % exact and 5 % near duplicates.

    90 % know their ward, 8 % only their constituency, 2 % only their county; 70 % give a phone number of their own.
    """
    with (ROOT / "fixtures" / "geography.csv").open(encoding="utf-8", newline="") as file:
        wards = list(csv.DictReader(file))
    by_county: dict[str, list[dict[str, str]]] = defaultdict(list)
    for ward in wards:
        by_county[ward["county_code"]].append(ward)
    chance = random.Random(seed)
    number = 0
    for inside in by_county.values():
        share = round(count * len(inside) / len(wards))
        taken: set[tuple[str, str]] = set()
        places = [_invent(chance, inside, taken) for _ in range(round(share * 0.9))]
        places += [_repeat(chance, chance.choice(places)) for _ in range(share - len(places))]
        yield [_record(number + place, invented, chance) for place, invented in enumerate(places)]
        number += share


class Invented(NamedTuple):
    """What a made-up place is, before it is known how much of it a list tells."""

    name: str
    kind: str
    ward: dict[str, str]
    phone: str


def _invent(chance: random.Random, inside: list[dict[str, str]], taken: set[tuple[str, str]]) -> Invented:
    """Return name, type, ward and phone of a new place: no two of one ward bear one name."""
    ward = chance.choice(inside)
    kind = chance.choice(tuple(TYPES))
    own = "".join(chance.choices(string.ascii_lowercase, k=chance.randint(4, 9))).capitalize()
    start = chance.choice((ward["ward"], f"{chance.choice(SAINTS)} {own}", own, f"{own} {ward['ward']}"))
    name = f"{start} {kind}" if (f"{start} {kind}", ward["ward_code"]) not in taken else f"{own} {start} {kind}"
    taken.add((name, ward["ward_code"]))
    phone = f"07{chance.randrange(10**8):08d}" if chance.random() < 0.7 else ""
    return Invented(name, kind, ward, phone)


def _repeat(chance: random.Random, original: Invented) -> Invented:
    name = original.name
    if chance.random() < 0.5:
        at = chance.randrange(len(name))
        name = f"{name[:at]}{name[at + 1 :]}"
    return original._replace(name=name, phone=original.phone if chance.random() < 0.7 else "")


def _record(number: int, place: Invented, chance: random.Random) -> MatchRecord:
    known = chance.random()
    return MatchRecord(
        order=(1 + number % 7, f"id:{number}", f"GVRC-{number}", 0),
        source=f"source {number % 7}",
        key=f"id:{number}",
        code=f"GVRC-{number}",
        facility=None,
        is_new=True,
        name=read_name(place.name),
        facility_type=TYPES[place.kind],
        kind="police" if place.kind == "Police Station" else "health",
        county=place.ward["county_code"],
        constituency=place.ward["constituency_code"] if known < 0.98 else "",
        ward=place.ward["ward_code"] if known < 0.9 else "",
        contacts=frozenset({place.phone} if place.phone else ()),
    )


def measure(count: int) -> dict[str, float]:
    """Return records, seconds, candidate pairs and MB of one size; generating the records is not counted."""
    found = {
        "records": 0.0,
        "largest_county": 0.0,
        "candidates_s": 0.0,
        "seconds": 0.0,
        "candidates": 0.0,
        "merged": 0.0,
    }
    for records in generate(count):
        started = perf_counter()
        found["candidates"] += sum(len(portion.first) for portion in find_candidates(records))
        between = perf_counter()
        clusters, _ = match_county(records)
        found["candidates_s"] += between - started
        found["seconds"] += perf_counter() - between
        found["records"] += len(records)
        found["largest_county"] = max(found["largest_county"], len(records))
        found["merged"] += len(records) - len(clusters)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return found


def measure_naive(count: int) -> dict[str, float]:
    """Return the seconds of scoring all pairs of each county one by one."""
    started = perf_counter()
    pairs = sum(
        similarity(one, other) >= THRESHOLD - ROUNDING
        for records in generate(count)
        for one, other in combinations(records, 2)
    )
    return {"records": count, "seconds": perf_counter() - started, "candidates": pairs}


def main() -> None:
    """Run the sizes and print the table."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    print(
        f"{'records':>10} {'largest county':>15} {'candidates s':>13} {'matching s':>11} {'pairs':>12} {'peak MB':>8}"
    )
    rows = [alone(measure, size) for size in sizes]
    for row in rows:
        print(
            f"{row['records']:>10,.0f} {row['largest_county']:>15,.0f} {row['candidates_s']:>13.2f} {row['seconds']:>11.2f}"
            f" {row['candidates']:>12,.0f} {row['peak_mb']:>8.0f}"
        )
    exponent = {name: _exponent(rows, name) for name in ("candidates_s", "seconds")} if len(rows) > 1 else {}
    for name, title in (("candidates_s", "candidates"), ("seconds", "matching")):
        if exponent:
            print(f"growth exponent of {title}: {exponent[name]:.2f}; goal {GOAL_EXPONENT}")
    naive: dict[str, float] = {}
    for size in NAIVE_SIZES:
        last = alone(measure_naive, size)
        if last["seconds"] > A_MINUTE:
            break
        naive = last
    ours = alone(measure, int(naive["records"]))
    print(
        f"naive double loop, largest size within a minute: {naive['records']:,.0f} records in {naive['seconds']:.1f} s, "
        f"{naive['candidates']:,.0f} pairs; the same without it: {ours['candidates_s']:.2f} s, {ours['candidates']:,.0f} pairs: "
        f"{naive['seconds'] / ours['candidates_s']:.0f} times faster"
    )
    print(json.dumps({"sizes": rows, "exponent": exponent, "naive": naive, "ours_at_naive": ours}))


def alone(work: object, size: int) -> dict[str, float]:
    """Return what the work measures in a process of its own, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (size,))  # type: ignore[arg-type] # one of the two above


def _exponent(rows: list[dict[str, float]], name: str) -> float:
    first, last = rows[0], rows[-1]
    return math.log(last[name] / first[name]) / math.log(last["records"] / first["records"])


if __name__ == "__main__":
    main()
