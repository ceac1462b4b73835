"""The quality report of a run: what its snapshot says, beside its statement, the run before and the trend."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from etl.errors import UnknownRunError
from etl.models import ImportRun, QualitySnapshot, SourceFile
from etl.quality import snapshot_before
from etl.registry_facts import OUTCOMES, listed_records
from etl.stages.drift import FEWEST_WITH_PATH, merge_profiles
from etl.stages.quality import NO_FAULT, TARGETS, metric_of
from etl.stages.records import PathProfile
from etl.stages.report import to_html

LONGEST_TREND = 30  # runs
# where a person finds what lowers a metric: a page of the site with its query, and a command
_OFFENDERS: Mapping[str, tuple[str, str, str]] = {
    "completeness": (
        "admin:facilities_facility_changelist",
        "missing=location",
        "export_facilities --audience internal",
    ),
    "accuracy": ("admin:etl_sourcerecordversion_changelist", "metric=accuracy", "rejects list"),
    "consistency": ("admin:etl_sourcerecordversion_changelist", "metric=consistency", "rejects list"),
    "timeliness": ("admin:etl_importrun_changelist", "", "import_facilities"),
    "uniqueness": ("admin:etl_duplicatepair_changelist", "decision__exact=to_review", "duplicates list"),
}


def read_report(number: int | None = None) -> dict[str, Any]:
    """Return the report of a run, or of the last that was measured and not undone; raises UnknownRunError without one."""
    snapshots = QualitySnapshot.objects.select_related("run")
    chosen = {"run__undone_by__isnull": True} if number is None else {"run": number}
    snapshot = snapshots.filter(**chosen).first()
    if snapshot is None:
        raise UnknownRunError(_why_none(number))
    before = snapshot_before(snapshot.run_id)
    return {
        "timestamp": timezone.localtime(snapshot.measured_at).isoformat(timespec="seconds"),
        "run": snapshot.run_id,
        "total_records": snapshot.total_records,
        "quality_score": snapshot.score,
        "quality_metrics": {name: snapshot.metrics[name] | {"offenders": offenders(name)} for name in TARGETS},
        "rules": snapshot.rules,
        "data_profiling": snapshot.profile | {"schema": _schemas(snapshot.run)} if snapshot.profile else None,
        "anomaly_detection": {name: snapshot.anomalies[name] for name in ("by_rule", "found")},
        "schema_drift": snapshot.drift,
        "recommendations": snapshot.recommendations,
        "compared_with": before and {"run": before.run_id, "score": before.score},
        "trend": trend(upto=snapshot.run_id),
        "reconciliation": _statement(snapshot.run),
    }


def was_measured(summary: Mapping[str, Any]) -> bool:
    """Return whether a run left a snapshot: a dry run leaves nothing, and one that read nothing measures nothing."""
    return QualitySnapshot.objects.filter(run=summary["run"]).exists()


def run_report(run: ImportRun, *, back: str = "") -> str:
    """Return the page of a run: its statement, and what was measured at its end, if it was."""
    summary = {"warnings": [], "rejects": [], "missing": [], "findings": []} | run.summary
    if run.undone_by_id:
        summary["status"] = f"undone by run {run.undone_by_id}"
    return to_html(summary, read_report(run.pk) if was_measured(summary) else None, back=back)


def _why_none(number: int | None) -> str:
    if number is None:
        return "no run was measured yet; import first: `manage.py import_facilities`"
    run = ImportRun.objects.filter(pk=number).first()
    return f"there is no run {number}" if run is None else f"run {number} ({run.kind}, {run.status}) was not measured"


def offenders(metric: str) -> dict[str, str]:
    """Return where to find what lowers a metric."""
    page, query, command = _OFFENDERS[metric]
    return {"url": f"{reverse(page)}{f'?{query}' if query else ''}", "command": f"manage.py {command}"}


def lowers(metric: str) -> Q:
    """Return the condition on versions that lower a metric, by the rules that the last snapshot knows."""
    snapshot = QualitySnapshot.objects.only("rules").first()
    rules = [row["rule"] for row in (snapshot.rules if snapshot else ()) if metric_of(row["rule"]) == metric]
    condition = Q(findings__contains=[{"severity": "reject"}]) if metric == "accuracy" else Q(pk__in=[])
    for rule in set(rules) - NO_FAULT:
        condition |= Q(findings__contains=[{"rule": rule, "severity": "warning"}])
    return condition & Q(pk__in=listed_records().values("latest_version"))


def trend(*, upto: int | None = None) -> list[dict[str, Any]]:
    """Return the last runs that were measured, oldest first: score, metrics in percent, and what became of their records."""
    snapshots = QualitySnapshot.objects.select_related("run").order_by("-run_id")
    chosen = snapshots.filter(run__lte=upto) if upto else snapshots
    rows = chosen.only("run__summary", "run__status", "run__undone_by", "measured_at", "score", "metrics")[
        :LONGEST_TREND
    ]
    return [_trend_row(snapshot) for snapshot in reversed(rows)]


def _trend_row(snapshot: QualitySnapshot) -> dict[str, Any]:
    totals = snapshot.run.summary.get("totals", {})
    return {
        "run": snapshot.run_id,
        "measured_at": snapshot.measured_at.isoformat(timespec="seconds"),
        "status": "undone" if snapshot.run.undone_by_id else snapshot.run.status,
        "score": snapshot.score,
        **{name: snapshot.metrics[name]["percent"] for name in TARGETS},
        "totals": {name: totals[name] for name in OUTCOMES if name in totals},
    }


def _schemas(run: ImportRun) -> dict[str, list[dict[str, Any]]]:
    """Return the inferred schema of each source that the run read.

    A member that stands in a record or two may be a value ({"Tumaini Refuge": "0722 ..."}), and everybody reads this.
    """
    by_source: dict[str, list[list[PathProfile]]] = {}
    for source, profile in SourceFile.objects.filter(run=run, status="sound").values_list("source", "profile"):
        by_source.setdefault(source, []).append([PathProfile(**path) for path in profile])
    return {
        source: [asdict(path) for path in merge_profiles(profiles).values() if _is_member(path)]
        for source, profiles in sorted(by_source.items())
        if any(profiles)
    }


def _is_member(path: PathProfile) -> bool:
    return not path.path or path.records >= FEWEST_WITH_PATH


def _statement(run: ImportRun) -> dict[str, Any]:
    summary = run.summary
    return {
        "status": run.status,
        "sources": summary.get("sources", {}),
        "totals": summary.get("totals", {}),
        "rejects_by_rule": summary.get("rejects_by_rule", {}),
        "rows": summary.get("rows", {}),
    }
