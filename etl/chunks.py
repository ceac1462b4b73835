"""A chunk of a source's records, read and assessed by whoever has time: this process, or a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from etl.assessment import ReadRecord
from etl.entries import read_and_assess
from etl.models import SourceRecord
from etl.reference import reference_like
from etl.resilience import with_retries
from etl.sources import EVERY_SOURCE
from etl.stages.records import RawRecord


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one source, each with the id of its file; `is_listed`: the ledger has records of the source."""

    source: str
    fingerprint: str
    is_listed: bool
    records: Sequence[tuple[int, RawRecord]]


def read_chunk(chunk: Chunk) -> list[ReadRecord]:
    """Return the records of a chunk read, and assessed unless the ledger has them as they are; for a worker."""
    return read_and_assess(
        chunk.records,
        source=EVERY_SOURCE[chunk.source],
        reference=reference_like(chunk.fingerprint),
        known_contents=partial(_known_contents, chunk),
    )


def _known_contents(chunk: Chunk, keys: set[str]) -> set[tuple[str, str]]:
    """Return key and content hash of the records that the ledger has under these keys, as today's pipeline reads them."""
    if not chunk.is_listed:
        return set()
    known = SourceRecord.objects.filter(
        source=chunk.source, key__in=keys, latest_version__fingerprint=chunk.fingerprint, is_due=False
    )
    return set(with_retries(partial(list, known.values_list("key", "latest_version__content_hash"))))
