"""A run's row: opened, taken up again after an interruption, and closed with what became of it."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from core.errors import ExitCode
from core.models import User
from etl.errors import EtlError, SupersededError
from etl.metrics import write_after_run
from etl.models import ImportRun
from etl.resilience import with_retries
from etl.statement import count_rows


def open_run(kind: ImportRun.Kind, *, user: User, options: Mapping[str, Any]) -> ImportRun:
    """Return a new run; its row says who works where, for the one who finds the lock held."""
    who = {"kind": kind, "started_at": timezone.now(), "host": socket.gethostname(), "pid": os.getpid()}
    # not create(): the reply to an earlier attempt's INSERT may have been lost
    rest = {"started_by": user, "options": dict(options), "rows_before": with_retries(count_rows)}
    open_once = partial(ImportRun.objects.get_or_create, **who, defaults=rest)
    run, _ = with_retries(open_once)
    return run


def resume_run(*, options: Mapping[str, Any]) -> ImportRun | None:
    """Return the last run, running again, if it is an import that was interrupted while it did just this; else None."""
    run = ImportRun.objects.exclude(kind=ImportRun.Kind.REVIEW).first()  # the newest; people decide between imports
    # under the lock a running one can only be this very one: the reply to an earlier attempt was lost
    resumable = {ImportRun.Status.INTERRUPTED, ImportRun.Status.RUNNING}
    if run is None or run.kind != ImportRun.Kind.IMPORT or run.status not in resumable or run.options != dict(options):
        return None
    run.status, run.error, run.finished_at = ImportRun.Status.RUNNING, "", None
    run.attempt += 1  # what the interrupted attempt left running may not write any more
    run.host, run.pid = socket.gethostname(), os.getpid()
    run.save()
    return run


class _RehearsalOverError(Exception):
    """Rolls a rehearsal's transaction back."""


def rehearse[T](work: Callable[[], T]) -> T:
    """Return what the work returns, with everything that it wrote rolled back (gaps in surrogate ids stay)."""
    results: list[T] = []
    try:
        with transaction.atomic():
            results.append(work())
            raise _RehearsalOverError  # noqa: TRY301 - how a transaction is rolled back
    except _RehearsalOverError:
        return results[0]


@contextmanager
def running(run: ImportRun) -> Iterator[None]:
    """Bind the run to the log, and write down what ended it if something does; close_run() is for the good end."""
    structlog.contextvars.bind_contextvars(run=run.pk)
    try:
        yield
    except BaseException as error:  # whatever ends a run, Ctrl-C included, its row says so; then it goes on up
        reason = str(error) if isinstance(error, EtlError) else type(error).__name__
        with (
            suppress(DatabaseError, InterfaceError, SupersededError),
            _brief_patience(),
        ):  # the database may be what went away
            close_run(run, status=_status_of(error), error=reason)
        raise
    finally:
        write_after_run()
        structlog.contextvars.unbind_contextvars("run")


@contextmanager
def _brief_patience() -> Iterator[None]:
    """Wait no longer than 3 s for a connection: who pressed Ctrl-C because the database is gone waits for this."""
    pool = getattr(connection, "pool", None)
    if pool is None:
        yield
        return
    patience, pool.timeout = pool.timeout, min(pool.timeout, 3.0)
    try:
        yield
    finally:
        pool.timeout = patience


def _status_of(error: BaseException) -> ImportRun.Status:
    is_away = isinstance(error, OperationalError | InterfaceError) or not isinstance(error, Exception)
    is_resumable = isinstance(error, EtlError) and error.exit_code == ExitCode.INTERRUPTED
    return ImportRun.Status.INTERRUPTED if is_away or is_resumable else ImportRun.Status.FAILED


def close_run(run: ImportRun, *, status: str, error: str = "", summary: Mapping[str, Any] | None = None) -> None:
    """Write a run's end into its row; raises SupersededError where another run took over and did."""
    # PostgreSQL's text holds no NUL
    run.status, run.error, run.summary = status, error.replace("\0", "?"), dict(summary or {})
    # the same in each attempt: it tells whether an earlier one wrote
    run.finished_at = run.finished_at or timezone.now()
    values = {name: getattr(run, name) for name in ("status", "error", "finished_at", "summary", "findings")}
    mine = ImportRun.objects.filter(pk=run.pk, attempt=run.attempt, status=ImportRun.Status.RUNNING)
    written = mine.update(**values) or ImportRun.objects.filter(pk=run.pk, finished_at=run.finished_at).exists()
    if not written:
        raise SupersededError(f"run {run.pk} was taken for dead, and another one began")
