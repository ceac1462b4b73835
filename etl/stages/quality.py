"""The five quality metrics of the registry, each with what it counts."""

from collections.abc import Mapping
from dataclasses import dataclass

# The document's dashboard shows these as results; they are the targets.
TARGETS: Mapping[str, float] = {
    "completeness": 95.0, "accuracy": 98.0, "consistency": 99.0, "timeliness": 100.0, "uniqueness": 99.0,
}  # fmt: skip
WEIGHTS: Mapping[str, float] = {
    "completeness": 0.25, "accuracy": 0.25, "consistency": 0.2, "timeliness": 0.1, "uniqueness": 0.2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """What the metrics are computed from. `required_filled`: over name, code and place of every active facility."""

    facilities: int
    required_filled: int
    required_values: int
    records_read: int
    records_sound: int
    records_consistent: int
    sources_expected: int
    sources_fresh: int
    facilities_in_doubt: int


@dataclass(frozen=True, slots=True)
class Metric:
    """A share in percent, None where there is nothing to measure."""

    numerator: int
    denominator: int
    target: float

    @property
    def percent(self) -> float | None:
        return round(100 * self.numerator / self.denominator, 2) if self.denominator else None


def measure(counts: Counts) -> dict[str, Metric]:
    """Return the five metrics by name.

    completeness: required values that are filled; accuracy: records read that no rule rejects; consistency: records whose
    places agree with one another; timeliness: sources that this run read soundly; uniqueness: facilities that no open
    duplicate pair touches.
    """
    parts = {
        "completeness": (counts.required_filled, counts.required_values),
        "accuracy": (counts.records_sound, counts.records_read),
        "consistency": (counts.records_consistent, counts.records_sound),
        "timeliness": (counts.sources_fresh, counts.sources_expected),
        "uniqueness": (counts.facilities - counts.facilities_in_doubt, counts.facilities),
    }
    return {name: Metric(*part, target=TARGETS[name]) for name, part in parts.items()}


def score(metrics: Mapping[str, Metric]) -> float | None:
    """Return the weighted mean of the metrics in percent (WEIGHTS, over those that can be measured)."""
    known = {name: metric.percent for name, metric in metrics.items() if metric.percent is not None}
    weight = sum(WEIGHTS[name] for name in known)
    return round(sum(WEIGHTS[name] * percent for name, percent in known.items()) / weight, 2) if known else None


def misses_target(percents: Mapping[str, float | None]) -> bool:
    """Return True where a metric that can be measured lies below its target."""
    return any((percent := percents.get(name)) is not None and percent < target for name, target in TARGETS.items())
