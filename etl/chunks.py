"""A chunk of a source's records: what the ledger has of it already, and the rest read by this process or by workers."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from etl.assessment import ReadRecord, hash_content, read_record
from etl.ceiling import portion
from etl.entries import read_and_assess
from etl.known import known_as_they_are
from etl.models import SourceFile
from etl.reference import reference_like
from etl.sources import EVERY_SOURCE, Source
from etl.stages.records import RawRecord
from etl.workers import Crew

CHUNK = 500  # records staged at a time
Stream = Iterable[tuple[SourceFile, RawRecord]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record as it came out of its file, read by a worker or not yet; without `content_hash` nothing of its source is known."""

    file_id: int
    raw: RawRecord
    content_hash: str
    read: ReadRecord | None = None


def read_arrival(arrival: Arrival, source: Source) -> ReadRecord:
    """Return a record read, by now at the latest."""
    return arrival.read or read_record(arrival.file_id, arrival.raw, source)


def read_chunks(stream: Stream, *, is_listed: bool) -> Iterator[list[Arrival]]:
    """Yield a source's records in chunks; `is_listed`: the ledger has records of the source."""
    records = iter(stream)
    while chunk := list(islice(records, portion(CHUNK))):
        yield [Arrival(f.pk, raw, hash_content(raw) if is_listed else "") for f, raw in chunk]


def read_chunks_by(
    crew: Crew, stream: Stream, *, source: Source, fingerprint: str, is_listed: bool
) -> Iterator[list[Arrival]]:
    """Yield the same chunks, read and assessed by workers but for what the ledger has as it is."""
    waiting: deque[tuple[list[Arrival], list[int]]] = deque()

    def jobs() -> Iterator[partial[list[ReadRecord]] | None]:
        for chunk in read_chunks(stream, is_listed=is_listed):
            known = _known_contents(chunk, source, fingerprint) if is_listed else set()
            new = [place for place, arrival in enumerate(chunk) if arrival.content_hash not in known]
            waiting.append((chunk, new))
            records = tuple((chunk[place].file_id, chunk[place].raw) for place in new)
            yield partial(read_chunk, records, source=source.name, fingerprint=fingerprint) if new else None

    for read in crew.in_order(jobs()):
        chunk, new = waiting.popleft()
        for place, item in zip(new, read or (), strict=True):
            chunk[place] = replace(chunk[place], read=item)
        yield chunk


def read_chunk(records: Sequence[tuple[int, RawRecord]], *, source: str, fingerprint: str) -> list[ReadRecord]:
    """Return records read and assessed; for a worker."""
    return read_and_assess(records, source=EVERY_SOURCE[source], reference=reference_like(fingerprint))


def _known_contents(chunk: Sequence[Arrival], source: Source, fingerprint: str) -> set[str]:
    known = known_as_they_are([arrival.content_hash for arrival in chunk], source=source, fingerprint=fingerprint)
    return {row.content_hash for row in known}
