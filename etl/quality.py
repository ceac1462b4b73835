"""A run's quality, measured from the database: metrics, profile, anomalies, drift, and what to do next."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone

from core.models import AuditEntry
from etl import registry_facts
from etl.models import DuplicatePair, ImportRun, QualitySnapshot, SourceRecord, SourceRecordVersion
from etl.rejects_by_rule import count_by_rule
from etl.sources import SOURCES
from etl.stages.drift import Drift
from etl.stages.profile import profile_facilities
from etl.stages.quality import TARGETS, Counts, Faults, Metric, measure, metric_as_json, score
from etl.stages.recommend import Situation, recommend
from etl.stages.records import Anomaly, Share
from etl.stages.rules import DATASET_RULES, FAR_FROM_COUNTY, Dataset
from facilities.models import Facility

MOST_KEPT = 200  # anomalies of a snapshot; all are counted
NOTHING = dict.fromkeys(("score", *TARGETS))


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run knows that the database does not: what it was asked to read, what it refused, and how shapes moved."""

    sources: Sequence[str]
    refused: Sequence[str] = ()
    drift: Sequence[Drift] = ()
    seconds: float = 0.0
    read: dict[str, int] = field(default_factory=dict)


def measure_run(run: ImportRun, facts: RunFacts, *, now: datetime | None = None) -> QualitySnapshot:
    """Return what the registry is like at the end of a run, as it is kept; measured again, it takes the place of the former.

    Profile and anomalies are those of the last snapshot where the registry is as it was then.
    """
    now = now or timezone.now()
    newest = AuditEntry.objects.aggregate(newest=Max("audit_id"))["newest"] or 0
    last = snapshot_before(run.pk)
    known = last if last and _is_as_it_was(last, newest) else None
    profile = _profile(known)
    found = _anomalies(last, known)
    faults = _faults(found)
    freshness = _freshness(facts, now)
    verified = registry_facts.verified_contacts(now)
    metrics = measure(_counts(faults, freshness))
    percents = {name: metric.percent for name, metric in metrics.items()}
    consistent = {source: share.as_json() for source, share in metrics["consistency"].parts.items()}
    kept = {
        "measured_at": now,
        "newest_audit": newest,
        "total_records": metrics["uniqueness"].whole.denominator,
        "score": score(percents),
        "metrics": _metrics_as_json(metrics, freshness, verified, facts),
        "rules": faults.rules_as_json(),
        "profile": profile | {"validity": faults.columns, "consistency": consistent} if profile else {},
        "anomalies": found,
        "drift": [
            {"source": d.source, "kind": d.kind.value, "path": d.path, "message": d.message, "breaking": d.is_breaking}
            for d in facts.drift
        ],
        "recommendations": [one.as_json() for one in recommend(_situation(faults, freshness, verified, facts))],
    }
    snapshot, _ = QualitySnapshot.objects.update_or_create(run=run, defaults=kept)
    return snapshot


def snapshot_before(run: int) -> QualitySnapshot | None:
    """Return the last snapshot before that of a run; what was undone is nothing to compare with."""
    return QualitySnapshot.objects.filter(run__lt=run, run__undone_by__isnull=True).first()


def percents_of(snapshot: QualitySnapshot | None) -> dict[str, float | None]:
    """Return the score and the five metrics in percent, as `import_facilities --json` prints them."""
    if snapshot is None:
        return dict(NOTHING)
    return {"score": snapshot.score, **{name: snapshot.metrics[name]["percent"] for name in TARGETS}}


def _is_as_it_was(last: QualitySnapshot, newest_audit: int) -> bool:
    """Return whether no row of the registry changed since a snapshot, and its facilities have the same sources still."""
    since = last.run_id
    return (
        last.newest_audit == newest_audit
        and not SourceRecordVersion.objects.filter(loaded_in__gt=since).exists()
        and not SourceRecord.objects.filter(missing_since__gt=since).exists()
    )


def _profile(known: QualitySnapshot | None) -> dict[str, Any]:
    if not settings.ETL_DATA_PROFILING:
        return {}
    profile: dict[str, Any] = known.profile if known else {}
    return profile or profile_facilities(registry_facts.facility_facts())


def _anomalies(last: QualitySnapshot | None, known: QualitySnapshot | None) -> dict[str, Any]:
    """Return what the rules about the whole registry find: counts by rule, and the first of them.

    A count that moved before the last snapshot stands still since; where none was found, nobody may have looked.
    """
    if not settings.ETL_ANOMALY_DETECTION:
        return {"by_rule": {}, "found": [], "far": []}
    anomalies: dict[str, Any] = known.anomalies if known else {"by_rule": {}}
    if anomalies["by_rule"] and "count-off" not in anomalies["by_rule"]:
        return anomalies
    by_rule: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    far: list[str] = []
    for anomaly in _find_anomalies(last):
        by_rule[anomaly.rule] += 1
        far += anomaly.facilities if anomaly.rule == FAR_FROM_COUNTY else ()
        if len(found) < MOST_KEPT:
            found.append(_as_json(anomaly))
    return {"by_rule": dict(by_rule.most_common()), "found": found, "far": far}


def _find_anomalies(last: QualitySnapshot | None) -> Iterator[Anomaly]:
    for dataset in chain(registry_facts.datasets(), [Dataset(counts=_county_counts(last))]):
        for rule in DATASET_RULES:
            yield from rule(dataset)


def _county_counts(last: QualitySnapshot | None) -> dict[str, tuple[int, int]]:
    """Return how many facilities in service each county had at the last snapshot, and has."""
    counties = Facility.objects.filter(is_active=True).order_by().values_list("county__county_name")
    now = dict(counties.annotate(n=Count("pk")))
    before: dict[str, int] = last.profile.get("distribution", {}).get("county", {}) if last else {}
    return {f"facilities in {name}": (before[name], now.get(name, 0)) for name in before}


def _as_json(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "rule": anomaly.rule, "severity": "warning", "field": anomaly.field, "message": anomaly.message,
        "hint": anomaly.hint, "facilities": list(anomaly.facilities),
    }  # fmt: skip


def _faults(anomalies: dict[str, Any]) -> Faults:
    """Return the faults of all listed records: by their findings, their county, and their facility's position."""
    faults = Faults()
    for number, source, findings in registry_facts.records_with_findings():
        faults.add(number, source, findings)
    faults.inconsistent |= registry_facts.records_elsewhere()
    if anomalies["far"]:
        faults.inconsistent |= registry_facts.records_of(anomalies["far"])
    return faults


def _counts(faults: Faults, freshness: dict[str, dict[str, Any]]) -> Counts:
    listed = registry_facts.count_listed()
    inconsistent = Counter(faults.inconsistent.values())
    filled = registry_facts.count_in_service()
    return Counts(
        facilities=filled["facility_code"].denominator,
        facilities_in_doubt=registry_facts.facilities_in_doubt(),
        filled=filled,
        sound={s: Share(n.total() - faults.inaccurate[s], n.total()) for s, n in listed.items()},
        consistent={
            s: Share(loaded - inconsistent[s], loaded)
            for s, n in listed.items()
            if (loaded := n.total() - n["rejected"])
        },
        fresh={source: row["fresh"] for source, row in freshness.items()},
    )


def _freshness(facts: RunFacts, now: datetime) -> dict[str, dict[str, Any]]:
    """Return when each source that the registry rests on, or that this run asked for, was read last."""
    runs = registry_facts.last_read()
    sources = [name for name in SOURCES if name in runs or name in facts.sources]
    rows: dict[str, dict[str, Any]] = {}
    for source in sources:
        run = runs.get(source)
        age = now - run.started_at if run else None
        rows[source] = {
            "run": run.pk if run else None,
            "read_at": run.started_at.isoformat() if run else None,
            "age_hours": round(age.total_seconds() / 3600, 1) if age else None,
            "fresh": age is not None and age <= timedelta(hours=settings.ETL_FRESH_HOURS),
        }
    return rows


def _metrics_as_json(
    metrics: dict[str, Metric], freshness: dict[str, dict[str, Any]], verified: Share, facts: RunFacts
) -> dict[str, Any]:
    found: dict[str, Any] = {name: metric_as_json(name, metric) for name, metric in metrics.items()}
    for source, row in freshness.items():
        found["timeliness"]["by_source"][source] |= row
    read = sum(facts.read.values())
    found["timeliness"]["contact_verification"] = verified.as_json()
    found["timeliness"]["latency_seconds"] = round(facts.seconds, 3)
    found["timeliness"]["seconds_per_1000_records"] = round(1000 * facts.seconds / read, 2) if read else None
    return found


def _situation(faults: Faults, freshness: dict[str, dict[str, Any]], verified: Share, facts: RunFacts) -> Situation:
    rows = faults.rules_as_json()  # the commonest first
    return Situation(
        rejects=count_by_rule(),
        faults={row["rule"]: row["records"] for row in rows if row["severity"] == "warning"},
        stale=[source for source, row in freshness.items() if not row["fresh"]],
        refused=list(facts.refused),
        drifted=list(dict.fromkeys(d.source for d in facts.drift if d.is_breaking)),
        contacts_to_verify=verified.denominator - verified.numerator,
        open_pairs=DuplicatePair.objects.filter(decision=DuplicatePair.Decision.TO_REVIEW).count(),
        missing=SourceRecord.objects.filter(
            missing_since__isnull=False, latest_version__isnull=False, withdrawn_in__isnull=True
        ).count(),
    )
