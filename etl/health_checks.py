"""What etl looks at: how old the sources are, what waits for a person, who holds the import lock, whether the worker works."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from core.advisory_locks import is_taken, taken_since
from core.health import Check, Verdict, age_in_words, healthy, unhealthy
from etl.lock import LOCK
from etl.models import ImportRun, RunRequest, SourceFile
from etl.registry_facts import rejected_records
from etl.run_requests import is_at_work
from etl.sources import SOURCES
from etl.successes import last_success_by_source

WORKER_IS_LATE = timedelta(minutes=10)  # with nothing else at work


def look_at_sources() -> Verdict:
    """Return which sources were not read with success for longer than ETL_FRESH_HOURS, or never though it was tried.

    An office may do without some of them: those that nobody tried to read are left out, unless none was ever read.
    """
    now = timezone.now()
    tried = set(SourceFile.objects.values_list("source", flat=True).distinct()) & set(SOURCES)
    read = {source: ended for source, ended in last_success_by_source().items() if source in tried or not tried}
    late = [
        f"{source}: {f'{age_in_words(now - ended)} ago' if ended else 'never'}"
        for source, ended in read.items()
        if ended is None or now - ended > timedelta(hours=settings.ETL_FRESH_HOURS)
    ]
    if late:
        told = f"not read within ETL_FRESH_HOURS = {settings.ETL_FRESH_HOURS}: {', '.join(late)}"
        return unhealthy(f"{told}; look whether the scheduled import runs")
    oldest = min(ended for ended in read.values() if ended)
    others = ", ".join(source for source in SOURCES if source not in read)
    unused = f"; nobody tried to read {others}" if others else ""
    return healthy(f"{len(read)} were read, the oldest {age_in_words(now - oldest)} ago{unused}")


def look_at_rejects() -> Verdict:
    """Return how many rejects wait for a person."""
    waiting = rejected_records().count()
    if waiting > settings.HEALTH_MAX_REJECTS:
        return unhealthy(
            f"{waiting} wait, more than HEALTH_MAX_REJECTS = {settings.HEALTH_MAX_REJECTS}: `manage.py rejects list`"
        )
    return healthy(f"{waiting} wait")


def look_at_lock() -> Verdict:
    """Return which run holds the import lock and since when; one that takes too long, or whose process is gone, is ill."""
    run = ImportRun.objects.filter(status=ImportRun.Status.RUNNING).first()
    if run is None:
        return healthy("held by a dry run, or one that begins or ends" if is_taken(LOCK) else "free")
    if not is_taken(LOCK):
        run.refresh_from_db(fields=["status"])
        if run.status != ImportRun.Status.RUNNING:  # it ended between the two looks
            return healthy("free")
        return unhealthy(
            f"run {run.pk} is written down as running, and its process is gone: `manage.py import_facilities --resume`"
        )
    since = taken_since(LOCK) or run.started_at
    told = f"run {run.pk} holds it since {_local(since)} (pid {run.pid})"
    if timezone.now() - since > timedelta(hours=settings.HEALTH_MAX_RUN_HOURS):
        return unhealthy(f"{told}, longer than HEALTH_MAX_RUN_HOURS = {settings.HEALTH_MAX_RUN_HOURS}")
    return healthy(told)


def look_at_worker() -> Verdict:
    """Return whether what was asked for in the browser waits for a worker in vain."""
    waiting = RunRequest.objects.filter(state=RunRequest.State.QUEUED, is_large=True).order_by("state_since")
    count, first = waiting.count(), waiting.first()
    if first is None:
        return healthy("nothing waits for it")
    is_busy = any(is_at_work(other) for other in RunRequest.objects.filter(state=RunRequest.State.WORKING)[:100])
    if timezone.now() - first.state_since > WORKER_IS_LATE and not is_busy:
        return unhealthy(
            f"{count} wait, the first since {_local(first.state_since)}, and nothing is at work: start `manage.py db_worker`"
        )
    return healthy(f"{count} wait, the first since {_local(first.state_since)}")


def _local(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M")


CHECKS = (
    Check("sources", look_at_sources),
    Check("rejects", look_at_rejects),
    Check("lock", look_at_lock),
    Check("worker", look_at_worker),
)
