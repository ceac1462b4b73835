"""What a benchmark found: the seconds of each side, goals that hold or fall short, and how both are printed and kept."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(slots=True)
class Side:
    """One rival: its seconds in each round, how many records it was given, and what else is worth telling of it."""

    name: str
    records: int
    seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def records_per_second(self) -> float:
        return self.records / self.median


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of the plan and the figure that stands against it; exactly one of `at_most` and `at_least` is set."""

    words: str
    figure: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        if self.at_most is not None:
            return self.figure <= self.at_most
        return self.at_least is not None and self.figure >= self.at_least

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "falls short"


@dataclass(slots=True)
class Report:
    """What one benchmark found. `about` says what was compared, `notes` what a reader should know beside the figures."""

    name: str
    title: str
    about: str
    rounds: int
    seed: int
    sides: list[Side] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ratio(self, slower: str, faster: str) -> float:
        """Return how many times longer one side takes than another, by their medians."""
        return self.side(slower).median / self.side(faster).median

    def side(self, name: str) -> Side:
        return next(side for side in self.sides if side.name == name)

    @property
    def slug(self) -> str:
        """The name of its file: runs of other sizes and seeds stand beside it."""
        return f"{self.name}-{max(side.records for side in self.sides)}-seed-{self.seed}"

    def lines(self) -> list[str]:
        """Return the report as it is printed."""
        width = max(len(side.name) for side in self.sides)
        first = self.sides[0].median
        table = [
            f"  {side.name:<{width}}  {side.median:9.2f} s  {side.records_per_second:9.0f} records/s"
            f"  x {side.median / first:6.2f}  ({min(side.seconds):.2f} to {max(side.seconds):.2f})"
            for side in self.sides
        ]
        goals = [f"  goal: {goal.words} {goal.bound}: {goal.figure:.2f}, {goal.verdict}" for goal in self.goals]
        rounds = f"{self.rounds} rounds" if self.rounds >= 3 else f"{self.rounds} of at least 3 rounds"
        return [f"{self.title} ({rounds}, seed {self.seed})", *table, *goals, *(f"  {n}" for n in self.notes)]

    def as_stored(self, machine: dict[str, Any]) -> dict[str, Any]:
        """Return the report as its JSON holds it."""
        sides = [asdict(side) | {"median": side.median} for side in self.sides]
        goals = [asdict(goal) | {"bound": goal.bound, "verdict": goal.verdict} for goal in self.goals]
        return asdict(self) | {"sides": sides, "goals": goals, "machine": machine}


def store(report: Report, folder: Path, machine: dict[str, Any]) -> None:
    """Write a report where benchmarks.page finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.as_stored(machine), indent=1, default=str)
    (folder / f"{report.slug}.json").write_text(f"{text}\n", encoding="utf-8")
