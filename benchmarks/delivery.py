"""A delivery read by the pipeline's own pure stages: what the rivals are given, or do themselves before they load."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from etl.assessment import Assessment, ReadRecord, read_record
from etl.entries import assess_record
from etl.sources import SOURCES, Source
from etl.stages.extract import inspect_file, read_records
from etl.stages.records import FacilityRecord, RawRecord, Reference, SoundFile


def find_sound(path: Path, source: Source) -> SoundFile:
    """Return what the reading for soundness says of a file, as every import reads it first."""
    return inspect_file(
        path,
        source=source.name,
        layout=source.layout,
        max_bytes=settings.ETL_MAX_FILE_MB * 1024 * 1024,
        may_be_empty=source.may_be_empty,
        profiling=settings.ETL_DATA_PROFILING,
    )


def raw_records(folder: Path, sources: Sequence[str]) -> Iterator[tuple[Source, RawRecord]]:
    """Yield the raw records of a delivery, source by source, each file read twice."""
    for source in map(SOURCES.__getitem__, sources):
        sound = find_sound(folder / f"{source.name}.json", source)
        for raw in read_records(sound, source=source.name, layout=source.layout):
            yield source, raw


def assessed(source: Source, raw: RawRecord, file_id: int, reference: Reference) -> tuple[ReadRecord, Assessment]:
    """Return a raw record read and assessed: schemas, cleaning, places, rules, content hash."""
    item = read_record(file_id, raw, source)
    return item, assess_record(item, source=source, reference=reference)


def loadable_records(folder: Path, sources: Sequence[str], reference: Reference) -> Iterator[FacilityRecord]:
    """Yield the sound records of a delivery that no unique column keeps from being rows: each code and number once."""
    codes: set[str] = set()
    numbers: set[str] = set()
    for source, raw in raw_records(folder, sources):
        _, assessment = assessed(source, raw, 0, reference)
        record = assessment.record
        if record is None or assessment.is_rejected or record.facility_code in codes:
            continue
        if record.registration_number in numbers:
            continue
        codes.add(record.facility_code)
        numbers.update(filter(None, [record.registration_number]))
        yield record
