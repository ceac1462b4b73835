"""The five quality metrics of the registry, each with what it counts, and the score of one facility by the same weights."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etl.stages.records import Share

# The document's dashboard shows these as results; they are the targets.
TARGETS: Mapping[str, float] = {
    "completeness": 95.0, "accuracy": 98.0, "consistency": 99.0, "timeliness": 100.0, "uniqueness": 99.0,
}  # fmt: skip
# What a survivor is sent to must be described and right first, then be one place, then agree with itself, then be fresh.
WEIGHTS: Mapping[str, float] = {
    "completeness": 0.25, "accuracy": 0.25, "consistency": 0.2, "timeliness": 0.1, "uniqueness": 0.2,
}  # fmt: skip
# The metric that a finding of each rule lowers; what is not named here lowers accuracy.
METRIC_BY_RULE: Mapping[str, str] = {
    **dict.fromkeys(
        ("constituency-unknown", "constituency-ambiguous", "ward-unknown", "ward-ambiguous"), "completeness"
    ),
    **dict.fromkeys(
        (
            "constituency-outside-county", "ward-outside-constituency", "hierarchy-invalid", "county-changed",
            "position-far-from-county",
        ),
        "consistency",
    ),
    **dict.fromkeys(
        ("registration-number-clash", "code-repeated", "phone-on-many-facilities", "facilities-on-one-point"),
        "uniqueness",
    ),
}  # fmt: skip
# Findings that say what was done, or what a mapping left alone: no fault of the record.
NO_FAULT = frozenset({"pin-kept", "member-unread"})
SEVERITIES = ("reject", "warning", "repair")  # the gravest first


def metric_of(rule: str) -> str:
    """Return the name of the metric that a finding of this rule belongs to."""
    return METRIC_BY_RULE.get(rule, "accuracy")


def is_fault(rule: str, severity: str, metric: str) -> bool:
    """Return whether a finding lowers a metric: a reject is a rule error whatever its rule, a repair is none any more."""
    if severity == "reject":
        return metric == "accuracy"
    return severity == "warning" and rule not in NO_FAULT and metric_of(rule) == metric


@dataclass(slots=True)
class RuleTally:
    """How many records have a finding of one rule, by source, and the gravest severity of those findings."""

    severity: str
    records: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Faults:
    """The findings of records, seen one after the other. A record counts once for a rule, however often it breaks it.

    `columns`: source -> field -> severity -> records. `inconsistent`: the numbers of records -> their source.
    """

    rules: dict[str, RuleTally] = field(default_factory=dict)
    columns: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    inaccurate: Counter[str] = field(default_factory=Counter)
    inconsistent: dict[int, str] = field(default_factory=dict)

    def add(self, number: int, source: str, findings: Iterable[Mapping[str, Any]]) -> None:
        """Count the findings (rule, severity, field) of one record."""
        said = {(finding["rule"], finding["severity"], finding["field"]) for finding in findings}
        for rule in {rule for rule, _, _ in said}:
            gravest = min((SEVERITIES.index(severity) for name, severity, _ in said if name == rule))
            tally = self.rules.setdefault(rule, RuleTally(SEVERITIES[gravest]))
            tally.severity = SEVERITIES[min(gravest, SEVERITIES.index(tally.severity))]
            tally.records[source] += 1
        for severity, column in {(severity, column) for _, severity, column in said}:
            self.columns.setdefault(source, {}).setdefault(column or "record", Counter())[severity] += 1
        is_rejected = any(severity == "reject" for _, severity, _ in said)
        if any(is_fault(rule, severity, "accuracy") for rule, severity, _ in said):
            self.inaccurate[source] += 1
        if not is_rejected and any(is_fault(rule, severity, "consistency") for rule, severity, _ in said):
            self.inconsistent[number] = source

    def rules_as_json(self) -> list[dict[str, Any]]:
        """Return every rule that found something: its metric, severity and records, the commonest first."""
        rows = [
            {
                "rule": rule,
                "metric": metric_of(rule) if tally.severity != "reject" else "accuracy",
                "severity": tally.severity,
                "records": tally.records.total(),
                "by_source": dict(sorted(tally.records.items())),
            }
            for rule, tally in self.rules.items()
        ]
        return sorted(rows, key=lambda row: (-int(str(row["records"])), str(row["rule"])))


@dataclass(frozen=True, slots=True)
class Counts:
    """What the metrics are computed from, over facilities in service and over the records that their sources list.

    `filled`: required field -> facilities that state it, of those whose field is not sealed. `sound` and `consistent` are by
    source: records free of rule errors of all that were read, records that agree with themselves, their facility and
    other sources of all that were not rejected. `fresh`: source -> whether it was read soundly within the schedule.
    """

    facilities: int
    facilities_in_doubt: int
    filled: Mapping[str, Share] = field(default_factory=dict)
    sound: Mapping[str, Share] = field(default_factory=dict)
    consistent: Mapping[str, Share] = field(default_factory=dict)
    fresh: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """A share with its target; `parts` are the shares that it sums up, by required field or by source."""

    whole: Share
    target: float
    parts: Mapping[str, Share] = field(default_factory=dict)
    parted_by: str = "source"

    @property
    def percent(self) -> float | None:
        return self.whole.percent

    @property
    def is_met(self) -> bool:
        return self.percent is None or self.percent >= self.target


def measure(counts: Counts) -> dict[str, Metric]:
    """Return the five metrics by name.

    completeness: required values that are stated; accuracy: records that no rule faults, rejects counted; consistency: records
    whose place, position and sources agree; timeliness: sources read within the schedule; uniqueness: facilities that no
    open duplicate pair touches.
    """
    fresh = {source: Share(int(is_fresh), 1) for source, is_fresh in counts.fresh.items()}
    alone = Share(counts.facilities - counts.facilities_in_doubt, counts.facilities)
    parts = {
        "completeness": (_sum(counts.filled), counts.filled, "field"),
        "accuracy": (_sum(counts.sound), counts.sound, "source"),
        "consistency": (_sum(counts.consistent), counts.consistent, "source"),
        "timeliness": (_sum(fresh), fresh, "source"),
        "uniqueness": (alone, {"no open duplicate": alone}, "field"),
    }
    return {
        name: Metric(whole, TARGETS[name], parts=of, parted_by=parted_by)
        for name, (whole, of, parted_by) in parts.items()
    }


def _sum(shares: Mapping[str, Share]) -> Share:
    return Share(sum(s.numerator for s in shares.values()), sum(s.denominator for s in shares.values()))


def score(percents: Mapping[str, float | None]) -> float | None:
    """Return the weighted mean of the metrics in percent (WEIGHTS, over those that can be measured)."""
    known = {name: percent for name in WEIGHTS if (percent := percents.get(name)) is not None}
    weight = sum(WEIGHTS[name] for name in known)
    return round(sum(WEIGHTS[name] * percent for name, percent in known.items()) / weight, 2) if known else None


def misses_target(percents: Mapping[str, float | None]) -> bool:
    """Return True where a metric that can be measured lies below its target."""
    return any((percent := percents.get(name)) is not None and percent < target for name, target in TARGETS.items())


def metric_as_json(name: str, metric: Metric) -> dict[str, object]:
    """Return a metric as `quality_report --format json` shows it."""
    return {
        **metric.whole.as_json(),
        "target": metric.target,
        "weight": WEIGHTS[name],
        "met": metric.is_met,
        f"by_{metric.parted_by}": {part: share.as_json() for part, share in metric.parts.items()},
    }
