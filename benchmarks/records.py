"""A seeded generator of deliveries: any number of records in every raw shape, real places, invented names and numbers.

Every fact follows from the seed and the number of the record alone, so that nothing is remembered: a duplicate is told by
inventing its original once more, and a million records need the memory of one. Of a hundred records 5 repeat another one
exactly and 5 nearly, half of them one of the same list, half one of another list that names such places.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from benchmarks.facts import Facts, change, invent, vary
from benchmarks.places import Ward, wards_by_constituency
from benchmarks.shapes import SHAPES, Shape
from benchmarks.streaming import write_json

EVERY, EXACT, NEAR = 20, 7, 17  # of 20 records the 8th is an exact, the 18th a near duplicate
# Of 500 records one is rejected for each of these, and of 25 rows of police stations one is a heading.
FLAW_BY_PLACE, FLAWS_EVERY = {111: "name", 222: "county", 333: "schema"}, 500
HEADING, HEADINGS_EVERY = 3, 25
CHANGED, CHANGED_EVERY = 43, 100  # where 1 % is changed
FEWEST_IN_A_CONSTITUENCY = 40  # of a small delivery, too: its duplicates need somebody to repeat
TRIES = 20


@dataclass(frozen=True, slots=True)
class Written:
    """What a delivery holds, as it was planned: records by source, and how many of them are what."""

    folder: Path
    records: dict[str, int]
    exact: int
    near: int
    rejected: int

    @property
    def count(self) -> int:
        """All records."""
        return sum(self.records.values())


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which record stands where. Record numbers run through all lists; each list runs through the constituencies."""

    seed: int
    counts: dict[str, int]
    starts: dict[str, int]
    units: tuple[tuple[Ward, ...], ...]

    @classmethod
    def of(cls, count: int, *, seed: int, shapes: Sequence[str]) -> "_Plan":
        counts = _shares(count, [SHAPES[name] for name in shapes])
        starts, start = {}, 0
        for name in shapes:
            starts[name], start = start, start + counts[name]
        every = wards_by_constituency()
        used = min(len(every), max(1, count // FEWEST_IN_A_CONSTITUENCY))
        return cls(seed, counts, starts, tuple(every[unit * len(every) // used] for unit in range(used)))

    def unit_of(self, shape: str, number: int) -> int:
        return (number - self.starts[shape]) * len(self.units) // self.counts[shape]

    def numbers_in(self, shape: str, unit: int) -> range:
        first, last = (-(-edge * self.counts[shape] // len(self.units)) for edge in (unit, unit + 1))
        return range(self.starts[shape] + first, self.starts[shape] + last)


def write_sources(
    folder: Path, count: int, *, seed: int = 1, shapes: Sequence[str] = tuple(SHAPES), is_changed: bool = False
) -> Written:
    """Return what a delivery of `count` records holds, after writing it as the importer wants it: one file a source.

    `is_changed`: the same delivery some time later, in which one record of a hundred has another phone and service.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = _Plan.of(count, seed=seed, shapes=shapes)
    tally = {"exact": 0, "near": 0, "flawed": 0}
    for name in shapes:
        with (folder / f"{name}.json").open("w", encoding="utf-8") as file:
            _write(file, SHAPES[name], _list(plan, name, tally, is_changed=is_changed))
    return Written(folder, dict(plan.counts), tally["exact"], tally["near"], tally["flawed"])


def _write(file: IO[str], shape: Shape, listed: Iterator[Facts]) -> None:
    write_json(file, shape.document(listed))


def _shares(count: int, shapes: Sequence[Shape]) -> dict[str, int]:
    """Return how many records each list gets; what rounding leaves goes to the first."""
    whole = sum(shape.share for shape in shapes)
    counts = {shape.name: int(count * shape.share / whole) for shape in shapes}
    counts[shapes[0].name] += count - sum(counts.values())
    return counts


def _list(plan: _Plan, shape: str, tally: dict[str, int], *, is_changed: bool) -> Iterator[Facts]:
    """Yield what a list says of each of its records, in its order."""
    for unit in range(len(plan.units)):
        for number in plan.numbers_in(shape, unit):
            facts, told = _told(plan, shape, number, unit)
            if told:
                tally[told] += 1
            if is_changed and number % CHANGED_EVERY == CHANGED:
                facts = change(facts, _chance(plan.seed, number, 2))
            yield replace(facts, part=unit / len(plan.units))


def _told(plan: _Plan, shape: str, number: int, unit: int) -> tuple[Facts, str]:
    """Return the facts of a record, and what it is: "exact", "near", "flawed" or "" for a sound place of its own."""
    kind = {EXACT: "exact", NEAR: "near"}.get(number % EVERY, "")
    chance = _chance(plan.seed, number, 1)
    original = _choose_original(plan, shape, number, unit, chance) if kind else None
    if original is None:
        flaw = flaw_of(shape, number)
        return _original(plan, shape, number, unit, flaw), "flawed" if flaw else ""
    facts = _original(plan, *original, unit, "")
    return (facts if kind == "exact" else vary(facts, chance)), kind


def flaw_of(shape: str, number: int) -> str:
    """Return why a record is rejected: "name", "county", "schema", "heading"; "" for a sound one."""
    if shape == "kps_stations" and number % HEADINGS_EVERY == HEADING:
        return "heading"
    return FLAW_BY_PLACE.get(number % FLAWS_EVERY, "")


def _choose_original(plan: _Plan, shape: str, number: int, unit: int, chance: random.Random) -> tuple[str, int] | None:
    """Return list and number of a sound record of the same constituency that this one repeats; None where none is found."""
    others = [name for name in SHAPES[shape].repeats if name in plan.counts]
    for _ in range(TRIES):
        name = shape if not others or chance.random() < 0.5 else chance.choice(others)
        numbers = plan.numbers_in(name, unit)
        chosen = chance.choice(numbers) if numbers else number
        if chosen != number and chosen % EVERY not in (EXACT, NEAR) and not flaw_of(name, chosen):
            return name, chosen
    return None


def _original(plan: _Plan, shape: str, number: int, unit: int, flaw: str) -> Facts:
    return invent(
        _chance(plan.seed, number, 0),
        shape=shape,
        number=number,
        place=number - plan.numbers_in(shape, unit).start,
        wards=plan.units[unit],
        flaw=flaw,
    )


def _chance(seed: int, number: int, purpose: int) -> random.Random:
    """Return a source of chance of its own for each record and purpose."""
    return random.Random((seed << 48) + (number << 2) + purpose)
