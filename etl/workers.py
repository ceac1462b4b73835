"""The workers of a run: processes of this machine, or of a Dask cluster, behind one concurrent.futures.Executor.

Nothing of Django is set up when a worker process imports this module; run_job() does it before it opens a job.
"""

import logging
import multiprocessing
import os
import pickle  # nosec B403 # between processes of ours: see docs/security.md on clusters
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import django
import structlog
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection

from core.database_errors import sqlstate_of
from core.memory import peak_mb
from etl.errors import ClusterError, WorkerDiedError, WorkerDiffersError
from etl.fingerprint import code_fingerprint

log = structlog.get_logger(__name__)
ATTEMPTS = 3  # at one job, by as many workers
PATIENCE_S = 10  # for a cluster's scheduler to answer, and between two looks at whether it has workers
LOOKS = 2
AHEAD = 2  # jobs for each worker that wait read and unread, where their results are wanted in order
CODE = code_fingerprint()  # of what this process runs: read when it begins, since what is deployed later is not that


@dataclass(frozen=True, slots=True)
class Done:
    """What a job returned, and the most memory that its process has held, in MB."""

    result: Any
    process: str
    peak_mb: float


@dataclass(slots=True)
class Crew:
    """The workers of a run, started when the first job is given to them; without an executor the run works alone.

    `losses` are what the executor raises where it has lost its workers for good, `is_deserted` tells whether there is none.
    """

    count: int = 1
    executor: Executor | None = None
    losses: tuple[type[Exception], ...] = ()
    is_deserted: Callable[[], bool] = lambda: False
    peak_by_process: dict[str, float] = field(default_factory=dict)

    @property
    def is_alone(self) -> bool:
        return self.executor is None

    @property
    def shares_files(self) -> bool:
        """Whether the workers see this machine's files."""
        return isinstance(self.executor, ProcessExecutor)

    def in_order[T](self, jobs: Iterable[Callable[[], T] | None]) -> Iterator[T | None]:
        """Yield what jobs return, in their order, None for no job; a few are read ahead: a long stream is never held."""
        waiting: deque[Future[Done] | None] = deque()
        try:
            for job in jobs:
                waiting.append(self._submit(job) if job else None)
                if len(waiting) > self.count * AHEAD:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            _cancel(future for future in waiting if future)

    def submit_all[T](self, jobs: Iterable[Callable[[], T]]) -> Iterator[T]:
        """Give all jobs to the workers now, and return an iterator over what they return, in their order."""
        futures = [self._submit(job) for job in jobs]
        return self._results(futures)

    def _results(self, futures: list[Future[Done]]) -> Iterator[Any]:
        try:
            for future in futures:
                yield self._result(future)
        finally:
            _cancel(futures)

    def _submit(self, job: Callable[[], object]) -> Future[Done]:
        assert self.executor is not None
        return self.executor.submit(run_job, CODE, pickle.dumps(job))

    def _result(self, future: Future[Done] | None) -> Any:
        if future is None:
            return None
        try:
            self._wait(future)
            done = future.result()
        except self.losses as error:
            raise WorkerDiedError(_CLUSTER_LOST) from error
        self.peak_by_process[done.process] = max(done.peak_mb, self.peak_by_process.get(done.process, 0.0))
        return done.result

    def _wait(self, future: Future[Done]) -> None:
        """Wait for a job; raises WorkerDiedError where nobody is left to do it, which an executor may never say."""
        looks = 0  # in a row at which there was no worker: one that died may be replaced
        while not wait([future], timeout=PATIENCE_S).done:
            looks = looks + 1 if self.is_deserted() else 0
            if looks == LOOKS:
                raise WorkerDiedError(_CLUSTER_LOST)


ALONE = Crew()
_CLUSTER_LOST = "the cluster lost its workers, or its scheduler, and with them what they did: import with --resume"


def _cancel(futures: Iterable[Future[Done]]) -> None:
    for future in futures:
        future.cancel()


@contextmanager
def open_crew(workers: int) -> Iterator[Crew]:
    """Give a run its workers: those of the cluster that ETL_CLUSTER_URL names, else this many processes; one works alone."""
    if settings.ETL_CLUSTER_URL and workers > 1:
        with _cluster(settings.ETL_CLUSTER_URL) as crew:
            yield crew
    elif workers > 1:
        parent = Parent(str(connection.settings_dict["NAME"]), logging.getLogger().getEffectiveLevel())
        with ProcessExecutor(workers, partial(_begin, parent)) as executor:
            try:
                yield Crew(workers, executor)
            except BaseException:  # Ctrl-C included: nothing goes on writing
                executor.kill()
                raise
    else:
        yield Crew()


class ProcessExecutor(Executor):
    """Worker processes, each in a pool of its own: when one dies its job is done again by a new one, the others go on."""

    def __init__(self, count: int, begin: Callable[[], None]) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")
        self._begin = begin
        self._own = threading.local()
        self._pools: set[ProcessPoolExecutor] = set()
        self._is_over = False

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(self._do, partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for pool in list(self._pools):
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def kill(self) -> None:
        """End the processes at once; what they were doing is rolled back."""
        self._is_over = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for pool in list(self._pools):
            for process in list((pool._processes or {}).values()):  # noqa: SLF001 - public as kill_workers() in Python 3.14
                process.kill()

    def _do[T](self, work: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            pool = self._pool()
            try:
                return pool.submit(work).result()
            except BrokenProcessPool:
                del self._own.pool
                self._pools.discard(pool)
                pool.shutdown(wait=False)
                if self._is_over:
                    raise
                log.warning("worker died", code="worker-died", attempt=attempt)
        message = (
            f"{ATTEMPTS} worker processes died one after another at one piece of work; import with --resume --workers 1"
        )
        raise WorkerDiedError(message)

    def _pool(self) -> ProcessPoolExecutor:
        """Return the pool of this thread, with its one process."""
        if not hasattr(self._own, "pool"):
            # spawned, not forked: a child must not inherit the database connections
            context = multiprocessing.get_context("spawn")
            self._own.pool = ProcessPoolExecutor(1, mp_context=context, initializer=self._begin)
            self._pools.add(self._own.pool)
        pool: ProcessPoolExecutor = self._own.pool
        return pool


@dataclass(frozen=True, slots=True)
class Parent:
    """What a process of this machine needs to know of the one that started it; the rest is in its environment."""

    database: str
    log_level: int


_parent: Parent | None = None  # of this process, where it is such a worker


def _begin(parent: Parent) -> None:
    """Prepare a worker process of this machine: it does not outlive its parent."""
    global _parent  # noqa: PLW0603 - an initializer can leave its words nowhere else
    _parent = parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)  # what is open is rolled back


def run_job(code: str, job: bytes) -> Done:
    """Do a pickled job in this process, which has its settings in its environment; raises WorkerDiffersError.

    `code` is the fingerprint of what the giver of the job runs.
    """
    if code != CODE:
        message = f"the worker on {socket.gethostname()} runs other code than this machine: deploy the same there, start it anew"
        raise WorkerDiffersError(message)
    if not apps.ready:
        if not os.environ.get("DJANGO_SETTINGS_MODULE"):
            where = socket.gethostname()
            message = f"the worker on {where} has no DJANGO_SETTINGS_MODULE: start it with this machine's environment"
            raise WorkerDiffersError(message)
        django.setup()
        if _parent:
            logging.getLogger().setLevel(_parent.log_level)
            connection.settings_dict["NAME"] = _parent.database
    structlog.contextvars.bind_contextvars(worker=os.getpid())
    try:
        result = pickle.loads(job)()  # noqa: S301 # nosec B301 # from our own parent
    except DatabaseError as error:
        error.sqlstate = sqlstate_of(error)  # type: ignore[attr-defined] # its cause does not reach the parent
        raise
    return Done(result, f"{socket.gethostname()}:{os.getpid()}", peak_mb())


@contextmanager
def _cluster(url: str) -> Iterator[Crew]:
    """Give the workers of a Dask cluster; raises ClusterError where there are none."""
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415 - an extra, not installed everywhere
    except ImportError as error:
        message = (
            "ETL_CLUSTER_URL is set, but dask.distributed is not installed: install the extra `cluster`, or unset it"
        )
        raise ClusterError(message) from error
    try:
        client = Client(url, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        message = f"no Dask scheduler answers at {url}: start it, or unset ETL_CLUSTER_URL to work here"
        raise ClusterError(message) from error
    with client:

        def find_workers() -> list[dict[str, Any]]:
            return list(client.scheduler_info(n_workers=-1).get("workers", {}).values())

        def is_deserted() -> bool:
            try:
                return not find_workers()
            except (OSError, TimeoutError):
                return True

        workers = find_workers()
        if any(worker["nthreads"] > 1 for worker in workers):
            message = "a worker of the Dask cluster has several threads: start each with --nthreads 1"
            raise ClusterError(message)
        if not workers:
            message = "the Dask cluster at ETL_CLUSTER_URL has no workers: start some, or unset it to work here"
            raise ClusterError(message)
        # without retries: a dead worker's job is done again anyway, and what a job raises is raised here, as of a process
        executor = client.get_executor(pure=False)
        try:
            yield Crew(len(workers), executor, losses=(CancelledError, KilledWorker), is_deserted=is_deserted)
        finally:
            with suppress(Exception):
                executor.shutdown(wait=False)
