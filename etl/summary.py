"""What a run has learned, and the summary that it ends with: the object of `import_facilities --json`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from core.memory import peak_mb
from etl.ceiling import is_above_ceiling
from etl.errors import EtlError
from etl.models import ImportRun, QualitySnapshot
from etl.quality import RunFacts, measure_run, percents_of
from etl.registry_facts import OUTCOMES
from etl.resilience import with_retries
from etl.stages.drift import Drift
from etl.statement import (
    count_pins_kept,
    count_to_review,
    find_missing,
    find_rejects,
    outcomes_by_source,
    reconcile_rows,
)
from etl.workers import Crew

log = structlog.get_logger(__name__)
FEWEST_FOR_FAILURE = 10  # records, all rejected, that make their source a failed one
MOST_LISTED = 200  # rejects and missing records in a summary; all are counted
Progress = Callable[[str], None]  # told the name of each step as it begins


@dataclass(slots=True)
class RunState:
    """What a run has learned so far; `read` counts the records of each source that pass 1 staged."""

    run: ImportRun
    started: float = field(default_factory=perf_counter)
    read: dict[str, int] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)
    deactivated: int = 0
    quality: QualitySnapshot | None = None
    crew: Crew = field(default_factory=Crew)

    def refuse(self, source: str, error: EtlError) -> None:
        """Keep why nothing of a source is loaded."""
        self.errors[source] = str(error)
        log.error("source refused", source=source, code=error.code, reason=str(error))

    def _note_step(self, name: str) -> None:
        mine = ImportRun.objects.filter(pk=self.run.pk, attempt=self.run.attempt, status=ImportRun.Status.RUNNING)
        mine.update(step=name)

    @contextmanager
    def step(self, name: str, progress: Progress) -> Iterator[None]:
        """Time one step of the run, log it, and say in the run's row that it began."""
        progress(name)
        with_retries(partial(self._note_step, name))
        started = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - started, 3)
        log.info("step done", step=name, seconds=self.seconds[name])


def summarise(state: RunState, sources: Sequence[str], *, dry_run: bool = False) -> dict[str, Any]:
    """Return the run's statement, computed from the database; raises UnbalancedBooksError where the books do not balance."""
    books = outcomes_by_source(state.run, state.read)
    rows = {
        name: books.get(name, dict.fromkeys(("read", *OUTCOMES, "missing"), 0)) | {"sha256": state.sha256.get(name)}
        for name in sources
    }
    is_import = state.run.kind == ImportRun.Kind.IMPORT
    for name, row in books.items() if is_import else ():
        _complain_of_nothing(name, row, state)
    totals = {name: sum(int(row[name] or 0) for row in rows.values()) for name in ("read", *OUTCOMES, "missing")}
    rows_by_table = reconcile_rows(state.run)
    by_rule, rejects = find_rejects(state.run, MOST_LISTED)
    _complain_of_memory(state)
    if state.read:  # a run that read nothing measures nothing
        _measure(state, sources)
    seconds = perf_counter() - state.started
    return {
        "run": state.run.pk,
        "status": _status_reached(state),
        "dry_run": dry_run,
        "sources": {name: row | _error_of(name, state) for name, row in rows.items()},
        "totals": totals,
        "rejects_by_rule": by_rule,
        "rejects": rejects,
        "missing": find_missing(list(state.read), MOST_LISTED),
        "deactivated": state.deactivated,
        "pins_kept": count_pins_kept(state.run),
        "duplicates": {"merged": totals["merged"], "to_review": count_to_review(state.run)},
        "quality": percents_of(state.quality),
        "rows": rows_by_table,
        "seconds": round(seconds, 3),
        "seconds_by_step": state.seconds,
        "records_per_second": round(totals["read"] / seconds, 1),
        "peak_rss_mb": round(peak_mb(), 1),
        "workers": _describe(state.crew),
        "warnings": state.warnings,
        "findings": state.run.findings,
    }


def _measure(state: RunState, sources: Sequence[str]) -> None:
    """Measure the registry; a fault of ours in that is a warning, since what was loaded is good. The database's go on up."""
    facts = RunFacts(sources, list(state.errors), state.drift, perf_counter() - state.started, state.read)
    try:
        state.quality = measure_run(state.run, facts)
    except (DatabaseError, InterfaceError, EtlError):
        raise
    except Exception as error:  # the last net: nothing of it may fail a run whose rows are written
        log.exception("quality not measured", code="quality-not-measured")
        state.warnings.append(f"quality was not measured ({type(error).__name__}); the log has the details")
    else:
        state.run.findings = state.quality.anomalies["found"]


def _describe(crew: Crew) -> dict[str, float]:
    """Return how many workers a run had, the peak of the largest in MB, and the sum of their peaks and its own."""
    peaks = list(crew.peak_by_process.values())
    largest, together = max(peaks, default=0.0), sum(peaks) + peak_mb()
    return {"count": len(peaks), "peak_rss_mb": round(largest, 1), "sum_peak_rss_mb": round(together, 1)}


def _complain_of_memory(state: RunState) -> None:
    """Say so where a process held more than it may."""
    held = max([peak_mb(), *state.crew.peak_by_process.values()])
    if is_above_ceiling(held):
        ceiling = settings.ETL_MAX_MEMORY_MB
        message = f"a process held {held:.0f} MB, more than ETL_MAX_MEMORY_MB = {ceiling}: records are then read a few at a time"
        if not any("ETL_MAX_MEMORY_MB" in warning for warning in state.warnings):  # a retried summary says it once
            state.warnings.append(message)


def _status_reached(state: RunState) -> str:
    """Return failed where no source loaded, partial where some did, else succeeded."""
    if not state.read.keys() - state.errors.keys():
        return ImportRun.Status.FAILED.value
    return (ImportRun.Status.PARTIAL if state.errors else ImportRun.Status.SUCCEEDED).value


def _error_of(source: str, state: RunState) -> dict[str, str]:
    return {"error": state.errors[source]} if source in state.errors else {}


def _complain_of_nothing(source: str, row: Mapping[str, int], state: RunState) -> None:
    """Say so where every record of a source was rejected; of a list of some length that is a failure of the source."""
    if row["read"] and row["rejected"] == row["read"]:
        message = f"{source}: all of its {row['read']} records were rejected, nothing was loaded; see the rejects"
        if row["read"] >= FEWEST_FOR_FAILURE:
            state.errors[source] = message
        elif message not in state.warnings:  # a retried summary says it once
            state.warnings.append(message)
