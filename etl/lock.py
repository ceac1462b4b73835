"""One import at a time: an advisory lock that dies with its holder, and a fence for what a dead holder left running."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from core.advisory_locks import LockTakenError, advisory_lock
from core.audit import acting
from etl.errors import LockHeldError, SupersededError
from etl.models import ImportRun
from etl.resilience import with_retries

LOCK = 0x47565243  # "GVRC": the advisory lock of everything that writes the registry from the ledger


@contextmanager
def import_lock() -> Iterator[None]:
    """Hold the import lock; raises LockHeldError at once where somebody else does."""
    try:
        with advisory_lock(LOCK, name="lock"):
            with_retries(_mark_dead_runs)
            yield
    except LockTakenError as error:
        raise LockHeldError(_describe_holder(session=str(error))) from error


def _describe_holder(session: str) -> str:
    """Return the line that names who imports: its run, or, of a dry run or one that just began, its session."""
    for _ in range(3):
        run = ImportRun.objects.filter(status=ImportRun.Status.RUNNING).first()
        if run:
            since = timezone.localtime(run.started_at).strftime("%Y-%m-%d %H:%M:%S")
            return f"another import holds the lock: run {run.pk} on {run.host}, pid {run.pid}, since {since}; wait for it to end"
        sleep(0.1)  # it took the lock a moment ago
    return f"another import holds the lock: a dry run {session}; wait for it to end"


def _mark_dead_runs() -> None:
    """Mark runs whose holder died as interrupted; raises LockHeldError while a batch of theirs is still being written."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '700ms'")
            ImportRun.objects.filter(status=ImportRun.Status.RUNNING).update(
                status=ImportRun.Status.INTERRUPTED,
                error="its process ended without a word",
                finished_at=timezone.now(),
            )
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":
            raise
        message = "the last import lost its lock, but a batch of it is still being written; try again in a minute"
        raise LockHeldError(message) from error


@contextmanager
def fenced(run: ImportRun) -> Iterator[None]:
    """Open a transaction that writes for this run, and say so in the audit trail; raises SupersededError.

    The run's row is read FOR SHARE: a successor that wants to mark it interrupted waits for this transaction, and none
    begins after that.
    """
    with acting(run.started_by_id, session_of(run)), connection.cursor() as cursor:
        cursor.execute("SELECT status, attempt FROM import_runs WHERE run_id = %s FOR SHARE", [run.pk])
        if cursor.fetchone() != (ImportRun.Status.RUNNING, run.attempt):
            message = f"run {run.pk} was taken for dead, and another one began; nothing more is written"
            raise SupersededError(message)
        yield


def session_of(run: ImportRun) -> str:
    """Return the audit trail's session_id of a run."""
    return f"run:{run.pk}"
