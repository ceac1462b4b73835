"""What the ledger writes of one record, made without writing anything: a worker process can do it."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from core.crypto import EncryptedJSONField, blind_index
from etl.assessment import Assessment, Entry, FoundBy, ReadRecord, assess, hide_headings, read_record, to_stored
from etl.models import SourceRecordVersion
from etl.sources import Source
from etl.stages import clean
from etl.stages.canonical import to_canonical
from etl.stages.records import FacilityRecord, RawRecord, Reference
from facilities.models import FacilityContact

_RAW, _STANDARDISED = SourceRecordVersion.raw.field, SourceRecordVersion.standardised.field
assert isinstance(_RAW, EncryptedJSONField)
assert isinstance(_STANDARDISED, EncryptedJSONField)
LONGEST_POINTER, LONGEST_IDENTIFIER = 1000, 80  # characters


def read_and_assess(
    records: Sequence[tuple[int, RawRecord]], *, source: Source, reference: Reference
) -> list[ReadRecord]:
    """Return raw records, each given with the id of its file, read and assessed."""
    read = [read_record(file_id, raw, source) for file_id, raw in records]
    return [replace(r, entry=entry_of(r, assess_record(r, source=source, reference=reference))) for r in read]


def assess_record(item: ReadRecord, *, source: Source, reference: Reference, is_hidden: bool = False) -> Assessment:
    """Return what becomes of a record that was read."""
    return assess(item.raw, item.staged, source=source, key=item.key, reference=reference, is_hidden=is_hidden)


def entry_of(item: ReadRecord, assessment: Assessment) -> Entry:
    """Return what the ledger writes of an assessed record, sealed."""
    said = assessment.record
    pointer = hide_headings(item.raw.pointer) if assessment.is_hidden else item.raw.pointer
    return Entry(
        pointer=pointer[:LONGEST_POINTER],
        raw=_RAW.sealed(to_stored(item.raw)),
        standardised=_STANDARDISED.sealed(to_canonical(said)) if said else None,
        findings=tuple(asdict(finding) for finding in assessment.findings),
        is_rejected=assessment.is_rejected,
        found_by=found_by(said) if said and not assessment.is_rejected else FoundBy(),
    )


def found_by(said: FacilityRecord) -> FoundBy:
    """Return by what matching finds a record. A confidential one claims no registration number: its own is sealed."""
    return FoundBy(
        county_code=said.county_code,
        identifier=said.identifier[:LONGEST_IDENTIFIER],
        number_index="" if said.is_confidential else number_index(said.registration_number),
        contact_indexes=tuple(private_contact_indexes(said)),
    )


def private_contact_indexes(record: FacilityRecord) -> list[str]:
    """Return short blind indexes (16 hex digits) of the contacts that may tell one place from another: no hotlines."""
    values = (contact.value for contact in record.contacts if not clean.is_hotline(contact.value))
    return sorted({FacilityContact.index_of(value)[:16] for value in values})


def number_index(number: str) -> str:
    """Return the short blind index (16 hex digits) of a registration number, by which two claims to it are found; "" of none."""
    return blind_index(number, purpose="registration number")[:16] if number else ""
