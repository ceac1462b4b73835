"""Facilities that land, written: their rows, those of what belongs to them, and what the ledger keeps of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.bulk import copy_in, take_ids
from etl.assessment import hash_content, to_stored
from etl.entries import found_by
from etl.facility_rows import coordinate_row, details_of, facility_row
from etl.legacy.children import CONTACTS, POSITIONS, SERVICES
from etl.legacy.database import LegacyRow
from etl.legacy.ground import Ground
from etl.legacy.people import follow_user
from etl.legacy.standing import Planned
from etl.models import ImportRun, SourceFile, SourceRecord, SourceRecordVersion
from etl.sources import MIGRATED
from etl.stages.canonical import to_canonical, to_export
from etl.stages.plan import FacilityState, target_state
from etl.stages.records import FacilityRecord, RawRecord
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService

TABLE = "facilities"


@dataclass(frozen=True, slots=True)
class Landing:
    """A facility that lands, and the key that it gets."""

    planned: Planned
    pk: int

    @property
    def record(self) -> FacilityRecord:
        return self.planned.record


def write_landings(
    landings: Sequence[Landing], *, ground: Ground, run: ImportRun, file: SourceFile, fingerprint: str
) -> None:
    """Write facilities, what belongs to them and their records in the ledger, and enter them in the books."""
    wanted = [target_state(one.record, existing=None, index_of=FacilityContact.index_of) for one in landings]
    both = list(zip(landings, wanted, strict=True))
    facilities = []
    for landing, state in both:
        facilities.append(_facility(landing, state, ground))
        ground.books.land(TABLE, landing.planned.row, landing.pk)
        ground.hidden[landing.pk] = landing.record.is_confidential
    ground.written.write(facilities)
    ground.written.write([row for landing in landings for row in _services(landing, ground)])
    ground.written.write([row for landing in landings for row in _contacts(landing, ground)])
    ground.written.write([row for landing, state in both for row in _position(landing, state, ground)])
    _write_ledger(landings, run=run, file=file, fingerprint=fingerprint)


def _facility(landing: Landing, wanted: FacilityState, ground: Ground) -> Facility:
    row = landing.planned.row
    facility = facility_row(landing.record.facility_code, wanted.fields, ids=ground.ids)
    facility.pk = landing.pk
    facility.created_by_id = follow_user("created_by", row, table=TABLE, books=ground.books)
    facility.updated_by_id = follow_user("updated_by", row, table=TABLE, books=ground.books)
    facility.created_at = ground.time(TABLE, row, "created_at")
    facility.updated_at = ground.time(TABLE, row, "updated_at")
    if facility.is_confidential:
        facility.hold_sealed(details_of(wanted.fields), before=None)
    return facility


def _key(table: str, row: LegacyRow | None, ground: Ground) -> int:
    """Return the key of a row that lands, and enter it; None: of one that the legacy database does not have."""
    pk = ground.keys[table].take(row.key if row else None)
    if row:
        ground.books.land(table, row, pk)
    return pk


def _services(landing: Landing, ground: Ground) -> Iterator[FacilityService]:
    for one in landing.planned.services:
        yield FacilityService(
            pk=_key(SERVICES, one.row, ground),
            facility_id=landing.pk,
            service_category_id=ground.ids.service[one.code],
            is_active=one.is_active,
        )


def _contacts(landing: Landing, ground: Ground) -> Iterator[FacilityContact]:
    for one in landing.planned.contacts:
        yield FacilityContact(
            pk=_key(CONTACTS, one.row, ground),
            facility_id=landing.pk,
            contact_type_id=ground.ids.contact_type[one.contact.type],
            contact_value=one.contact.value,
            value_index=FacilityContact.index_of(one.contact.value),
            is_primary=one.is_primary,
        )


def _position(landing: Landing, wanted: FacilityState, ground: Ground) -> Iterator[FacilityCoordinate]:
    if wanted.position and (row := landing.planned.position_row):
        coordinate = coordinate_row(landing.pk, wanted.position)
        coordinate.pk = _key(POSITIONS, row, ground)
        yield coordinate


def _write_ledger(landings: Sequence[Landing], *, run: ImportRun, file: SourceFile, fingerprint: str) -> None:
    """Give each facility a source record that says what the legacy database said of it, loaded."""
    records = [_source_record(landing, run) for landing in landings]
    for record, pk in zip(records, take_ids(SourceRecord, len(records)), strict=True):
        record.pk = pk
    versions = [
        _version(landing, record, run=run, file=file, fingerprint=fingerprint)
        for landing, record in zip(landings, records, strict=True)
    ]
    for version, pk in zip(versions, take_ids(SourceRecordVersion, len(versions)), strict=True):
        version.pk = version.source_record.latest_version_id = version.source_record.good_version_id = pk
    copy_in(records)
    copy_in(versions)


def _source_record(landing: Landing, run: ImportRun) -> SourceRecord:
    by = found_by(landing.record)
    return SourceRecord(
        source=MIGRATED,
        key=landing.record.key,
        name_hash="",
        facility_id=landing.pk,
        county_code=by.county_code,
        number_index=by.number_index,
        contact_indexes=list(by.contact_indexes),
        first_seen_run=run,
        last_seen_run=run,
        outcome=SourceRecord.Outcome.CREATED,
    )


def _version(
    landing: Landing, record: SourceRecord, *, run: ImportRun, file: SourceFile, fingerprint: str
) -> SourceRecordVersion:
    pointer = f"/facilities/{landing.planned.row.key or landing.planned.row.number}"
    raw = RawRecord(MIGRATED, file.name, pointer, to_export(landing.record), {})
    return SourceRecordVersion(
        source_record=record,
        run=run,
        source_file=file,
        pointer=pointer,
        content_hash=hash_content(raw),
        fingerprint=fingerprint,
        raw=to_stored(raw),
        standardised=to_canonical(landing.record),
        state=SourceRecordVersion.State.LOADED,
        loaded_in=run,
    )
