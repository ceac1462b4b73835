"""What the ledger has of records as they are: found by their content alone, before anything else is done with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from etl.models import SourceRecordVersion
from etl.sources import Source

_COLUMNS = ("last_seen_run", "is_due", "withdrawn_in")


@dataclass(frozen=True, slots=True)
class KnownRecord:
    """What the ledger has of a record whose latest version says what today's pipeline read before."""

    record: int
    content_hash: str
    state: str
    last_seen_run: int
    is_due: bool
    is_withdrawn: bool


def known_as_they_are(hashes: Sequence[str], *, source: Source, fingerprint: str) -> list[KnownRecord]:
    """Return the records of a source whose latest version has one of these contents, as read by today's pipeline.

    In the order of their occurrence.
    """
    latest = SourceRecordVersion.objects.filter(
        content_hash__any=hashes,
        fingerprint=fingerprint,
        source_record__source=source.name,
        source_record__latest_version=F("pk"),
    )
    columns = ("source_record", "content_hash", "state", *(f"source_record__{name}" for name in _COLUMNS))
    rows = latest.order_by("source_record__key", "source_record__occurrence").values_list(*columns)
    return [
        KnownRecord(record, content, state, run, is_due, withdrawn is not None)
        for record, content, state, run, is_due, withdrawn in rows
    ]
