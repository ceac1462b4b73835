"""The first reading of a run: which sources have sound files, and which are refused, with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import Sum

from etl.errors import ChangedFileError, DriftedSourceError, EmptySourceError, EtlError, ShrunkSourceError
from etl.models import ImportRun, SourceFile, SourceRecord
from etl.resilience import with_retries
from etl.source_files import Inspection, find_files, inspect_files
from etl.sources import EVERY_SOURCE, Source
from etl.stages.drift import OnDrift, find_drift, merge_profiles
from etl.stages.records import PathProfile, SoundFile
from etl.summary import RunState

log = structlog.get_logger(__name__)
LARGEST_LOSS = 0.2  # of a source's records since its last good run: more is refused as a broken delivery
MOST_DRIFT_TOLD = 3  # moves of one source in one line
SoundFiles = list[tuple[SourceFile, SoundFile]]


def find_sound_sources(
    sources: Sequence[Source],
    *,
    data_dir: Path,
    allow_shrink: bool,
    on_drift: OnDrift,
    previewed: Mapping[str, str],
    state: RunState,
) -> dict[str, SoundFiles]:
    """Return the sound files of each source whose every file is sound; the other sources' errors are kept in the state.

    `previewed` says which files a person saw the preview of: others are refused, and so are sources that were not in it.
    Without any there was no preview.
    """
    paths: dict[str, tuple[Path, ...]] = {}
    for source in sources:
        try:
            paths[source.name] = find_files(source.name, data_dir)
        except EtlError as error:
            state.refuse(source.name, error)
    inspections = inspect_files(
        paths,
        max_bytes=settings.ETL_MAX_FILE_MB * 1024 * 1024,
        profiling=settings.ETL_DATA_PROFILING,
        crew=state.crew,
    )
    sound = {}
    for name, files in inspections.items():
        try:
            rows = with_retries(partial(_file_rows, name, files, state.run))
            _refuse_unsound(EVERY_SOURCE[name], files, allow_shrink=allow_shrink, run=state.run)
            state.sha256[name] = _refuse_others(name, files, previewed)
            _note_drift(name, files, on_drift=on_drift, state=state)
        except EtlError as error:
            state.refuse(name, error)
        else:
            sound[name] = [(row, file.sound) for row, file in zip(rows, files, strict=True) if file.sound]
            _warn_of_count(EVERY_SOURCE[name], files, state)
    return sound


def _file_rows(source: str, inspections: Sequence[Inspection], run: ImportRun) -> list[SourceFile]:
    """Return the rows of a source's files; raises ChangedFileError where an interrupted run had staged other bytes."""
    known = {row.name: row for row in SourceFile.objects.filter(run=run, source=source)}
    staged = {row.name: row.sha256 for row in known.values() if row.is_staged}
    found = {_name_of(file.path): file.sound.sha256 if file.sound else "" for file in inspections}
    if staged and staged != found:
        message = f"{source}: its files changed since run {run.pk} was interrupted; import again without --resume"
        raise ChangedFileError(message)
    return [_file_row(source, file, known.get(_name_of(file.path)) or SourceFile(run=run)) for file in inspections]


def _name_of(path: Path) -> str:
    return path.name.encode("utf-8", "backslashreplace").decode()


def _file_row(source: str, inspection: Inspection, row: SourceFile) -> SourceFile:
    sound = inspection.sound
    row.source, row.name = source, _name_of(inspection.path)
    row.status = SourceFile.Status.SOUND if sound else SourceFile.Status.REFUSED
    row.error = str(inspection.error or "")
    row.sha256, row.size_bytes, row.records = (sound.sha256, sound.size_bytes, sound.records) if sound else ("", 0, 0)
    row.profile = [asdict(path) for path in sound.profile] if sound else []
    row.save()
    return row


def _refuse_unsound(source: Source, files: Sequence[Inspection], *, allow_shrink: bool, run: ImportRun) -> None:
    """Raise the first file's error, or an error where a source holds nothing or much less than before."""
    for inspection in files:
        if inspection.error:
            raise inspection.error
    records = _count_records(files)
    if allow_shrink:
        return
    if not records and not source.may_be_empty:
        message = f"{files[0].path.name}: holds no record; if that is right, import it with --allow-shrink"
        raise EmptySourceError(message)
    earlier, before = _last_good_count(source.name, run)
    if records < before * (1 - LARGEST_LOSS):
        loss = 100 * (before - records) / before
        message = (
            f"{source.name}: holds {records} records, {before} in run {earlier}: {loss:.0f} % fewer; "
            "if that is right, import it with --allow-shrink"
        )
        raise ShrunkSourceError(message)


def _refuse_others(source: str, files: Sequence[Inspection], previewed: Mapping[str, str]) -> str:
    """Return the SHA-256 of a source's files; raises ChangedFileError where a person saw the preview of others, or of none."""
    found = ",".join(file.sound.sha256 for file in files if file.sound)
    if previewed and source not in previewed:  # its file came, or was mended, after the preview
        raise ChangedFileError(f"{source}: its files were not in the preview; ask for a new preview")
    if previewed and found != previewed[source]:
        raise ChangedFileError(f"{source}: its files are not those of the preview; ask for a new preview")
    return found


def _count_records(files: Sequence[Inspection]) -> int:
    return sum(inspection.sound.records for inspection in files if inspection.sound)


def _last_good_count(source: str, run: ImportRun) -> tuple[int, int]:
    """Return the last run before this one that read the whole source and was not undone, and its records; (0, 0) without."""
    staged = SourceFile.objects.filter(source=source, is_staged=True, run__undone_by__isnull=True, run__lt=run.pk)
    counts = staged.values("run").annotate(read=Sum("records")).order_by("-run_id").values_list("run", "read")
    return with_retries(counts.first) or (0, 0)


def _note_drift(source: str, files: Sequence[Inspection], *, on_drift: OnDrift, state: RunState) -> None:
    """Keep how a source's shape moved since its last good run; raises DriftedSourceError where that must not be."""
    run, count = _last_good_count(source, state.run)
    before = SourceFile.objects.filter(run=run, source=source).values_list("profile", flat=True)
    drift = find_drift(
        source,
        before=merge_profiles(
            [[PathProfile(**path) for path in profile] for profile in with_retries(lambda: list(before))]
        ),
        now=merge_profiles([file.sound.profile for file in files if file.sound]),
        counts=(count, _count_records(files)),
    )
    state.drift += drift
    if not drift:
        return
    told = "; ".join(move.message for move in drift[:MOST_DRIFT_TOLD])
    more = f"; and {len(drift) - MOST_DRIFT_TOLD} more, see `quality_report`" if len(drift) > MOST_DRIFT_TOLD else ""
    message = f"{source}: its shape moved since run {run}: {told}{more}"
    if on_drift is OnDrift.FAIL and any(move.is_breaking for move in drift):
        raise DriftedSourceError(f"{message}; mend its mapping, or import it with --on-drift warn")
    state.warnings.append(message)


def _warn_of_count(source: Source, files: Sequence[Inspection], state: RunState) -> None:
    """Warn where a first run reads less than half or more than double of what the document expects of a source."""
    records, expected = _count_records(files), source.expected_records
    is_known = with_retries(SourceRecord.objects.filter(source=source.name).exists)
    if not is_known and expected and not expected / 2 <= records <= expected * 2:
        state.warnings.append(f"{source.name}: {records} records where about {expected} were expected")
        log.warning(
            "record count unexpected",
            code="record-count",
            source=source.name,
            records=records,
            expected=expected,
        )
