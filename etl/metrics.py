"""Metrics as Prometheus reads them, told from the database: counts and times, no name of a person or a place."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from core.backups.files import last_proven
from core.bounded import Lane
from core.errors import ExplainedError
from core.health import Status, find_health, is_well
from core.whole_files import replacing
from etl.errors import OutputError
from etl.models import ImportRun, QualitySnapshot
from etl.registry_facts import OUTCOMES, count_listed, rejected_records
from etl.sources import SOURCES
from etl.stages.quality import TARGETS
from etl.successes import last_success_by_source
from facilities.models import Facility

log = structlog.get_logger(__name__)
PATIENCE = 10  # seconds that the end of a run waits for its metrics
READABLE = 0o644  # node_exporter is another user
_lane = Lane()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what it says, and the labels of its samples."""

    help: str
    labels: tuple[str, ...] = ()


METRICS: Mapping[str, Metric] = {
    "gvrc_metrics_written_timestamp_seconds": Metric("When these metrics were read from the database."),
    "gvrc_last_success_timestamp_seconds": Metric(
        "When the last import ended that loaded the source and was not undone.", ("source",)
    ),
    "gvrc_last_run_timestamp_seconds": Metric("When the last run ended; while it runs, when it began.", ("kind",)),
    "gvrc_last_run_duration_seconds": Metric("How long the last run took, or has taken so far.", ("kind",)),
    "gvrc_last_run_status": Metric("1 for the status that the last run has, 0 for the others.", ("kind", "status")),
    "gvrc_running_since_timestamp_seconds": Metric("When the run began that is at work; absent while none is."),
    "gvrc_run_peak_rss_bytes": Metric("The most memory that the process of the last import held."),
    "gvrc_records": Metric("Records that a source lists, by what became of them last.", ("source", "outcome")),
    "gvrc_rejects_open": Metric("Rejects that wait for a person.", ("source",)),
    "gvrc_facilities_in_service": Metric("Facilities in service."),
    "gvrc_quality_percent": Metric("A quality metric at the last measured run.", ("metric",)),
    "gvrc_quality_target_percent": Metric("What the metric should reach.", ("metric",)),
    "gvrc_quality_score_percent": Metric("The weighted mean of the quality metrics."),
    "gvrc_backup_last_proven_timestamp_seconds": Metric("When the last proven backup was made; absent without one."),
    "gvrc_health": Metric("1 where a check of health_check is healthy, else 0.", ("check",)),
    "gvrc_healthy": Metric("1 where all checks are healthy, else 0."),
}
Sample = tuple[str, Sequence[str], float]  # name, the values of its labels, value


def write_metrics(path: Path) -> None:
    """Write the metrics into a file that readers see whole, before or after; raises OutputError where that cannot be."""
    text = metrics_text()
    try:
        with replacing(path, mode=READABLE) as file:
            file.write(text.decode())
    except OSError as error:
        raise OutputError(
            f"the metrics cannot be written to {path}: {error.strerror}; make the folder, or name another file"
        ) from error


def metrics_text() -> bytes:
    """Return the metrics as text; whatever the database raises goes on up, so that an old file stays as it was."""
    registry = CollectorRegistry()
    gauges = {name: Gauge(name, metric.help, metric.labels, registry=registry) for name, metric in METRICS.items()}
    seen: set[str] = set()
    for name, labels, value in _samples(timezone.now()):
        (gauges[name].labels(*labels) if labels else gauges[name]).set(value)
        seen.add(name)
    for name in METRICS.keys() - seen:  # a gauge without labels says 0 by itself, which is a lie
        registry.unregister(gauges[name])
    return generate_latest(registry)


def write_after_run() -> None:
    """Write the metrics where ETL_TEXTFILE says so, once what the run wrote stands. That fails no run: it is a warning."""
    if not settings.ETL_TEXTFILE:
        return
    if connection.in_atomic_block:  # a rehearsal, which is rolled back, writes nothing
        transaction.on_commit(_write_soon)
    else:
        _write_soon()


def _write_soon() -> None:
    failures: list[str] = ["no answer in time"]

    def write() -> None:
        try:
            write_metrics(Path(settings.ETL_TEXTFILE))
        except Exception as error:  # noqa: BLE001 - the last net: it fails no run
            failures.append(str(error) if isinstance(error, ExplainedError) else type(error).__name__)
        else:
            failures.clear()

    _lane.start(write, patience=PATIENCE).wait(PATIENCE)  # the run's own connection may be what broke
    if failures:
        log.warning("metrics not written", code="metrics-unwritten", reason=failures[-1])


def _samples(now: datetime) -> Iterator[Sample]:
    yield "gvrc_metrics_written_timestamp_seconds", (), now.timestamp()
    for source, ended in last_success_by_source().items():
        if ended:
            yield "gvrc_last_success_timestamp_seconds", (source,), ended.timestamp()
    yield from _runs(now)
    yield from _records()
    yield from _quality()
    with suppress(ExplainedError):  # the check "backups" tells why
        if made := last_proven():
            yield "gvrc_backup_last_proven_timestamp_seconds", (), made.timestamp()
    report = find_health()
    for name, told in report["checks"].items():
        yield "gvrc_health", (name,), float(told["status"] == Status.HEALTHY)
    yield "gvrc_healthy", (), float(is_well(report))


def _runs(now: datetime) -> Iterator[Sample]:
    kinds = (ImportRun.Kind.IMPORT, ImportRun.Kind.REPLAY, ImportRun.Kind.UNDO)
    for run in (run for kind in kinds if (run := ImportRun.objects.filter(kind=kind).first())):
        ended = run.finished_at or now
        yield "gvrc_last_run_timestamp_seconds", (run.kind,), (run.finished_at or run.started_at).timestamp()
        yield "gvrc_last_run_duration_seconds", (run.kind,), (ended - run.started_at).total_seconds()
        for status in ImportRun.Status:
            yield "gvrc_last_run_status", (run.kind, status), float(run.status == status)
        if run.kind == ImportRun.Kind.IMPORT and run.summary.get("peak_rss_mb"):
            yield "gvrc_run_peak_rss_bytes", (), run.summary["peak_rss_mb"] * 1e6
    if running := ImportRun.objects.filter(status=ImportRun.Status.RUNNING).first():
        yield "gvrc_running_since_timestamp_seconds", (), running.started_at.timestamp()


def _records() -> Iterator[Sample]:
    listed = {source: Counter[str]() for source in SOURCES} | count_listed()
    for source, counted in listed.items():
        for outcome in OUTCOMES:
            yield "gvrc_records", (source, outcome), counted[outcome]
    rows = rejected_records().order_by().values_list("source").annotate(n=Count("pk"))
    for source, count in (dict.fromkeys(listed, 0) | dict(rows)).items():
        yield "gvrc_rejects_open", (source,), count
    yield "gvrc_facilities_in_service", (), Facility.objects.filter(is_active=True).count()


def _quality() -> Iterator[Sample]:
    snapshot = QualitySnapshot.objects.filter(run__undone_by__isnull=True).first()
    for name, target in TARGETS.items():
        percent = snapshot.metrics[name]["percent"] if snapshot else None
        if percent is not None:
            yield "gvrc_quality_percent", (name,), percent
            yield "gvrc_quality_target_percent", (name,), target
    if snapshot and snapshot.score is not None:
        yield "gvrc_quality_score_percent", (), snapshot.score
