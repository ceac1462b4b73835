"""Finds a source's files and reads them for soundness, several at once where they are large."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from etl.errors import EtlError, MissingFileError
from etl.sources import EVERY_SOURCE, IMPORTED
from etl.stages.extract import inspect_file
from etl.stages.records import SoundFile
from etl.workers import Crew

WORTH_A_PROCESS = 8 * 1024 * 1024  # bytes in all: below that, starting processes costs more than it saves


@dataclass(frozen=True, slots=True)
class Inspection:
    """One file of a source: sound, or refused with the reason."""

    path: Path
    sound: SoundFile | None
    error: EtlError | None


def find_files(source: str, data_dir: Path) -> tuple[Path, ...]:
    """Return the files of a source: `<source>.json`, or every file of the folder `<source>`; MissingFileError without."""
    try:
        return _find_files(source, data_dir)
    except OSError as error:
        message = f"{source} in {data_dir} cannot be read: {error.strerror}; check its permissions"
        raise MissingFileError(message) from error


def is_source_file(path: Path | None, data_dir: Path) -> bool:
    """Return whether a path is that of a source in the data directory: what a command writes must replace no list."""
    if path is None:
        return False
    places = (place.resolve() for source in IMPORTED for place in _places_of(source, data_dir))
    return any(path.resolve().is_relative_to(place) for place in places)


def _places_of(source: str, data_dir: Path) -> tuple[Path, Path]:
    """Return where the file of a source stands, and the folder of its parts."""
    return data_dir / f"{source}.json", data_dir / source


def _find_files(source: str, data_dir: Path) -> tuple[Path, ...]:
    if not data_dir.is_dir():
        message = f"{data_dir} is not a folder: name the one that holds the files with --data-dir"
        raise MissingFileError(message)
    single, folder = _places_of(source, data_dir)
    parts = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    if single.exists() and parts:
        message = f"both {single.name} and the folder {source}/ are in {data_dir}: keep one of them"
        raise MissingFileError(message)
    if parts:
        return tuple(parts)
    if folder.is_dir() and not single.exists():
        message = f"the folder {source}/ in {data_dir} holds no file: put the parts of the source there"
        raise MissingFileError(message)
    if not single.exists():
        message = f"{single.name} is not in {data_dir}: put it there, or name the sources to import"
        raise MissingFileError(message)
    return (single,)


def inspect_files(
    paths_by_source: dict[str, tuple[Path, ...]],
    *,
    max_bytes: int,
    profiling: bool,
    crew: Crew,
) -> dict[str, list[Inspection]]:
    """Return the soundness reading of every file, by source."""
    jobs = [(source, path, max_bytes, profiling) for source, paths in paths_by_source.items() for path in paths]
    found: dict[str, list[Inspection]] = {source: [] for source in paths_by_source}
    for (source, *_), inspection in zip(jobs, _run(jobs, crew), strict=True):
        found[source].append(inspection)
    return found


def _run(jobs: Sequence[tuple[str, Path, int, bool]], crew: Crew) -> list[Inspection]:
    size = sum(path.stat().st_size for _, path, *_ in jobs if path.is_file())
    if not crew.shares_files or len(jobs) < 2 or size < WORTH_A_PROCESS:
        return [_inspect(job) for job in jobs]
    return [done for done in crew.in_order(partial(_inspect, job) for job in jobs) if done]


def _inspect(job: tuple[str, Path, int, bool]) -> Inspection:
    name, path, max_bytes, profiling = job
    source = EVERY_SOURCE[name]
    try:
        sound = inspect_file(
            path,
            source=name,
            layout=source.layout,
            max_bytes=max_bytes,
            may_be_empty=source.may_be_empty,
            profiling=profiling,
        )
    except EtlError as error:
        return Inspection(path, None, error)
    return Inspection(path, sound, None)
