"""What waits in counties, loaded batch by batch: by the run itself, or each county by a worker."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from socket import gethostname
from time import perf_counter

import structlog

from core.statistics import refresh_statistics
from etl.batch import load_batch, new_writer
from etl.county import Surroundings, county_groups
from etl.errors import WorkerDiffersError
from etl.groups import Group
from etl.models import ImportRun
from etl.reference import reference_like
from etl.resilience import with_retries
from etl.stages.records import Reference

log = structlog.get_logger(__name__)
REFRESHED_AFTER = {20, 200, 2000, 20_000}  # batches: whenever the tables are ten times what the planner knows


class CountyLoader:
    """Loads what waits in counties, batch by batch; batches fill across counties that stand by themselves."""

    def __init__(self, run: ImportRun, sources: Sequence[str], reference: Reference, batch_size: int) -> None:
        self.writer = new_writer(run)
        self.batches = 0
        self._run, self._sources, self._reference, self._batch_size = run, sources, reference, batch_size

    def load(self, codes: Sequence[str], around: Surroundings, *, reaching: AbstractSet[str] = frozenset()) -> None:
        """Load what waits in these counties, in this order.

        One that reaches into another is written whole before the next is read, whatever the size of the batches: it is
        matched with what was loaded of a facility that they share.
        """
        for stretch in _stretches(codes, reaching):
            self._load(stretch, around)

    def _load(self, codes: Sequence[str], around: Surroundings) -> None:
        for groups in _in_batches(self._groups(codes, around), self._batch_size):
            started = perf_counter()
            load_batch(groups, writer=self.writer, run=self._run)
            self.batches += 1
            if self.batches in REFRESHED_AFTER:
                with_retries(refresh_statistics)
            log.info("batch loaded", batch=self.batches, size=len(groups), seconds=round(perf_counter() - started, 3))

    def _groups(self, codes: Sequence[str], around: Surroundings) -> Iterator[Group]:
        for code in codes:
            yield from county_groups(
                code, run=self._run, sources=self._sources, reference=self._reference, around=around
            )


@dataclass(frozen=True, slots=True)
class CountyJob:
    """A county that a worker loads for an attempt at a run; `fingerprint` is the run's."""

    code: str
    run: int
    attempt: int
    sources: tuple[str, ...]
    fingerprint: str
    batch_size: int
    around: Surroundings


def load_county(job: CountyJob) -> int:
    """Return in how many batches a county was loaded; for a worker. What an earlier worker loaded of it stays."""
    loader = _loader(job.run, job.attempt, job.sources, job.fingerprint, job.batch_size)
    before = loader.batches
    loader.load([job.code], job.around)
    return loader.batches - before


@lru_cache(maxsize=1)
def _loader(run: int, attempt: int, sources: tuple[str, ...], fingerprint: str, batch_size: int) -> CountyLoader:
    """Return the loader of this process for an attempt at a run."""
    structlog.contextvars.bind_contextvars(run=run)
    row = with_retries(ImportRun.objects.filter(pk=run).select_related("started_by").first)
    if row is None:
        message = (
            f"the worker on {gethostname()} finds no run {run}: give it the same DATABASE_URL, and import with --resume"
        )
        raise WorkerDiffersError(message)
    row.attempt = attempt  # not what the row says by now: a successor's fence must stop this one
    return CountyLoader(row, sources, reference_like(fingerprint), batch_size)


def _stretches(codes: Sequence[str], reaching: AbstractSet[str]) -> Iterator[list[str]]:
    """Yield the codes in their order: each that reaches out by itself, the others between them together."""
    stretch: list[str] = []
    for code in codes:
        if code in reaching:
            yield stretch
            yield [code]
            stretch = []
        else:
            stretch.append(code)
    yield stretch


def _in_batches(groups: Iterator[Group], size: int) -> Iterator[list[Group]]:
    """Yield the groups in batches; a facility that comes again waits for the next batch, so that none is written twice."""
    batch: list[Group] = []
    for group in groups:
        is_again = group.facility_id is not None and group.facility_id in {other.facility_id for other in batch}
        if len(batch) == size or is_again:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch
