"""import_facilities(): the table of contents of a record's way from file to row. Nothing else knows the order."""

import os
import resource
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from core.models import User
from etl.errors import EmptySourceError, EtlError, UnknownSourceError
from etl.fingerprint import pipeline_fingerprint
from etl.key_check import check_keys
from etl.ledger import stage_source
from etl.load import Loaded, load_pending
from etl.models import ImportRun, SourceFile, SourceRecord
from etl.reference import read_reference
from etl.source_files import Inspection, find_files, inspect_files
from etl.sources import SOURCES, Source
from etl.stages.extract import read_records
from etl.stages.records import RawRecord, Reference, SoundFile
from etl.statement import OUTCOMES, find_dataset_findings, find_rejects, measure_quality, outcomes_by_source

log = structlog.get_logger(__name__)
FEWEST_FOR_FAILURE = 10  # records, all rejected, that make their source a failed one
MOST_REJECTS = 200  # listed in a summary; all are counted
Progress = Callable[[str], None]  # told the name of each step as it begins


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What one run is asked to do; `sources` empty means all seven."""

    data_dir: Path
    sources: tuple[str, ...] = ()
    dry_run: bool = False
    batch_size: int = 50
    workers: int = 1
    allow_shrink: bool = False


@dataclass(slots=True)
class RunState:
    """What a run has learned so far."""

    run: ImportRun
    read: dict[str, int] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class _DryRunOverError(Exception):
    """Rolls a dry run's transaction back."""


def import_facilities(options: ImportOptions, *, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Return the run's summary (the object of `import_facilities --json`).

    A dry run is the same two passes in one transaction that is rolled back.
    """
    if not options.dry_run:
        return _run(options, progress)
    summary: dict[str, Any] = {}
    try:
        with transaction.atomic():
            summary = _run(options, progress) | {"run": None}
            raise _DryRunOverError  # noqa: TRY301 - how a transaction is rolled back
    except _DryRunOverError:
        return summary


def _run(options: ImportOptions, progress: Progress) -> dict[str, Any]:
    started = perf_counter()
    sources = _chosen_sources(options.sources)
    user = User.import_user()
    state = RunState(_open_run(options, user))
    structlog.contextvars.bind_contextvars(run=state.run.pk)
    try:
        with _step(state, "reference", progress):
            check_keys()
            reference = read_reference()
        with _step(state, "soundness", progress):
            sound = _inspect(sources, options, state)
        with _step(state, "pass 1", progress):
            _stage(sound, state, reference)
        with _step(state, "pass 2", progress):
            loaded = load_pending(
                run=state.run,
                sources=list(state.read),
                reference=reference,
                batch_size=options.batch_size,
                user=user,
            )
        with _step(state, "reconcile", progress):
            summary = _summarise(state, sources, loaded, options, started)
    except BaseException as error:  # whatever ends a run, Ctrl-C included, its row says so; then it goes on up
        if not options.dry_run:  # its row goes with its transaction
            reason = str(error) if isinstance(error, EtlError) else type(error).__name__
            with suppress(DatabaseError, InterfaceError):  # the database may be what went away
                _close_run(state.run, status=_status_of(error), error=reason)
        raise
    finally:
        structlog.contextvars.unbind_contextvars("run")
    _close_run(state.run, status=summary["status"], error="\n".join(state.errors.values()), summary=summary)
    return summary


def _chosen_sources(names: Sequence[str]) -> list[Source]:
    for name in names:
        if name not in SOURCES:
            message = f"there is no source '{name}': choose from {', '.join(SOURCES)}"
            raise UnknownSourceError(message)
    return [source for source in SOURCES.values() if not names or source.name in names]


def _open_run(options: ImportOptions, user: User) -> ImportRun:
    shown = {**asdict(options), "data_dir": str(options.data_dir).encode("utf-8", "backslashreplace").decode()}
    return ImportRun.objects.create(
        started_at=timezone.now(),
        started_by=user,
        host=socket.gethostname(),
        pid=os.getpid(),
        options=shown,
    )


def _status_of(error: BaseException) -> str:
    interrupted = isinstance(error, OperationalError | InterfaceError) or not isinstance(error, Exception)
    return ImportRun.Status.INTERRUPTED if interrupted else ImportRun.Status.FAILED


def _close_run(run: ImportRun, *, status: str, error: str = "", summary: Mapping[str, Any] | None = None) -> None:
    run.status, run.error, run.finished_at = status, error, timezone.now()
    run.summary = dict(summary or {})
    run.save()


@contextmanager
def _step(state: RunState, name: str, progress: Progress) -> Iterator[None]:
    """Time one step of the run, and log it."""
    progress(name)
    started = perf_counter()
    yield
    state.seconds[name] = round(perf_counter() - started, 3)
    log.info("step done", step=name, seconds=state.seconds[name])


def _inspect(
    sources: Sequence[Source], options: ImportOptions, state: RunState
) -> dict[str, list[tuple[SourceFile, SoundFile]]]:
    """Return the sound files of each source whose every file is sound; the other sources' errors are kept in the state."""
    paths: dict[str, tuple[Path, ...]] = {}
    for source in sources:
        try:
            paths[source.name] = find_files(source.name, options.data_dir)
        except EtlError as error:
            _refuse(source.name, error, state)
    inspections = inspect_files(
        paths,
        max_bytes=settings.ETL_MAX_FILE_MB * 1024 * 1024,
        profiling=settings.ETL_DATA_PROFILING,
        workers=options.workers,
    )
    sound = {}
    for name, files in inspections.items():
        rows = [(_file_row(name, inspection, state.run), inspection.sound) for inspection in files]
        try:
            _refuse_unsound(SOURCES[name], files, options)
        except EtlError as error:
            _refuse(name, error, state)
        else:
            sound[name] = [(row, file) for row, file in rows if file]
            state.sha256[name] = ",".join(inspection.sound.sha256 for inspection in files if inspection.sound)
            _warn_of_count(SOURCES[name], files, state)
    return sound


def _refuse(source: str, error: EtlError, state: RunState) -> None:
    state.errors[source] = str(error)
    log.error("source refused", source=source, code=error.code, reason=str(error))


def _refuse_unsound(source: Source, files: Sequence[Inspection], options: ImportOptions) -> None:
    """Raise the first file's error, or EmptySourceError where a source that should hold records holds none."""
    for inspection in files:
        if inspection.error:
            raise inspection.error
    holds_none = not any(inspection.sound and inspection.sound.records for inspection in files)
    if holds_none and not source.may_be_empty and not options.allow_shrink:
        message = f"{files[0].path.name}: holds no record; if that is right, import it with --allow-shrink"
        raise EmptySourceError(message)


def _warn_of_count(source: Source, files: Sequence[Inspection], state: RunState) -> None:
    """Warn where a first run reads less than half or more than double of what the document expects of a source."""
    records = sum(inspection.sound.records for inspection in files if inspection.sound)
    expected = source.expected_records
    is_first = not SourceRecord.objects.filter(source=source.name).exists()
    if is_first and expected and not expected / 2 <= records <= expected * 2:
        state.warnings.append(f"{source.name}: {records} records where about {expected} were expected")
        log.warning("record count unexpected", source=source.name, records=records, expected=expected)


def _file_row(source: str, inspection: Inspection, run: ImportRun) -> SourceFile:
    sound = inspection.sound
    return SourceFile.objects.create(
        run=run,
        source=source,
        name=inspection.path.name.encode("utf-8", "backslashreplace").decode(),
        status=SourceFile.Status.SOUND if sound else SourceFile.Status.REFUSED,
        error=str(inspection.error or ""),
        sha256=sound.sha256 if sound else "",
        size_bytes=sound.size_bytes if sound else 0,
        records=sound.records if sound else 0,
        profile=[asdict(path) for path in sound.profile] if sound else [],
    )


def _stage(sound: Mapping[str, list[tuple[SourceFile, SoundFile]]], state: RunState, reference: Reference) -> None:
    """Run pass 1 for each sound source; one whose file changes underneath is refused whole."""
    fingerprint = pipeline_fingerprint(reference)
    for name, files in sound.items():
        source = SOURCES[name]
        try:
            state.read[name] = stage_source(
                _stream(source, files),
                run=state.run,
                source=source,
                reference=reference,
                fingerprint=fingerprint,
            )
        except EtlError as error:
            _refuse(name, error, state)
        else:
            SourceRecord.objects.filter(source=name, missing_since__isnull=True).exclude(
                last_seen_run=state.run
            ).update(
                missing_since=state.run,
            )
            log.info("source staged", source=name, records=state.read[name])


def _stream(source: Source, files: Sequence[tuple[SourceFile, SoundFile]]) -> Iterator[tuple[SourceFile, RawRecord]]:
    for row, sound in files:
        for raw in read_records(sound, source=source.name, layout=source.layout):
            yield row, raw


def _summarise(
    state: RunState,
    sources: Sequence[Source],
    loaded: Loaded,
    options: ImportOptions,
    started: float,
) -> dict[str, Any]:
    """Return the run's statement; the books must balance."""
    books = outcomes_by_source(state.run, state.read)
    rows = {
        source.name: books.get(source.name, dict.fromkeys(("read", *OUTCOMES, "missing"), 0))
        | {"sha256": state.sha256.get(source.name)}
        for source in sources
    }
    for name, row in books.items():
        _complain_of_nothing(name, row, state)
    totals = {name: sum(int(row[name] or 0) for row in rows.values()) for name in ("read", *OUTCOMES, "missing")}
    if settings.ETL_ANOMALY_DETECTION and loaded.batches:
        state.run.findings = find_dataset_findings()
    rejects = find_rejects(state.run)
    seconds = perf_counter() - started
    return {
        "run": state.run.pk,
        "status": _status_reached(state),
        "dry_run": options.dry_run,
        "sources": {name: row | _error_of(name, state) for name, row in rows.items()},
        "totals": totals,
        "rejects_by_rule": dict(Counter(reject["rule"] for reject in rejects).most_common()),
        "rejects": rejects[:MOST_REJECTS],
        "duplicates": {"merged": totals["merged"], "to_review": loaded.pairs_to_review},
        "quality": measure_quality(state.run, sources=[source.name for source in sources], read=state.read),
        "seconds": round(seconds, 3),
        "seconds_by_step": state.seconds,
        "records_per_second": round(totals["read"] / seconds, 1),
        "peak_rss_mb": _peak_rss_mb(),
        "warnings": state.warnings,
        "findings": state.run.findings,
    }


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
        else:
            state.warnings.append(message)


def _peak_rss_mb() -> float:
    """Return the most memory that this process has held, in MB (Linux counts in kB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
