"""The floor: what an import costs at least on these tables. The pipeline is measured against it.

It does what the pipeline does before and while it loads: reads each file twice (soundness, then records), validates against both
schemas, cleans and resolves, applies the rules, hashes content and contacts, seals raw record, canonical record, addresses,
contacts and confidential places. It then loads by COPY into temporary tables and INSERT ... ON CONFLICT from these: facilities
with contacts, services and coordinates, source_records and source_record_versions, rejected ones included, CHUNK records a
transaction, under the same constraints, indexes and audit triggers as the application role.

It leaves out: matching (records that share a facility code share a facility, the first one is its golden record; every other
record founds one), folding, pins, comparing with what stands, codes that others have retired, the finding about a clash of
registration numbers (the first holder keeps it), missing records, small batches, retries and the breaker, the lock and the fence,
resuming, the run's statement (books, quality, findings about the data set) and logs. What it loads it loads again the next time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import batched
from pathlib import Path
from time import perf_counter
from typing import Any

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from benchmarks.delivery import assessed, find_sound
from core.audit import acting
from core.crypto import encrypt
from core.models import User
from etl.assessment import Assessment, FoundBy, ReadRecord, to_stored
from etl.entries import found_by
from etl.facility_rows import RowIds
from etl.fingerprint import pipeline_fingerprint
from etl.models import ImportRun, SourceFile, SourceRecord, SourceRecordVersion
from etl.reference import read_reference
from etl.sources import SOURCES, Source
from etl.stages.canonical import to_canonical
from etl.stages.extract import read_records
from etl.stages.records import FacilityRecord, RawRecord, Reference
from facilities.models import Facility, FacilityContact, FacilityCoordinate
from facilities.protection import STAND_INS, Details

CHUNK = 5000  # records a transaction

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is loaded through a temporary one: its columns there, and how its rows come from there."""

    name: str
    columns: str
    insert: str

    @property
    def temporary(self) -> str:
        """The name of the temporary table."""
        return f"new_{self.name}"


# A child knows its facility by code until that has a number. The rows of the ledger name each other: version numbers are drawn
# from their sequence before they are written, and the foreign keys are checked at the end of the transaction.
TABLES = {
    table.name: table
    for table in (
        Table(
            "facilities",
            "facility_code, registration_number, facility_name, facility_type, operational_status_id, county_id,"
            " constituency_id, ward_id, address, town, level, ownership, opening_hours, website, has_gender_desk,"
            " is_confidential, sealed_details, is_active, created_by, updated_by, created_at, updated_at",
            "INSERT INTO facilities ({columns}) SELECT {columns} FROM new_facilities"
            " ON CONFLICT (facility_code) DO UPDATE SET {refreshed}",
        ),
        Table(
            "facility_contacts",
            "facility_code, contact_type_id, contact_value, value_index, is_primary",
            "INSERT INTO facility_contacts (facility_id, contact_type_id, contact_value, value_index, is_primary)"
            " SELECT facility_id, contact_type_id, contact_value, value_index, is_primary"
            " FROM new_facility_contacts JOIN facilities USING (facility_code)"
            " ON CONFLICT (facility_id, contact_type_id, value_index) DO UPDATE SET is_primary = EXCLUDED.is_primary",
        ),
        Table(
            "facility_services",
            "facility_code, service_category_id",
            "INSERT INTO facility_services (facility_id, service_category_id, is_active)"
            " SELECT facility_id, service_category_id, true FROM new_facility_services"
            " JOIN facilities USING (facility_code)"
            " ON CONFLICT (facility_id, service_category_id) DO UPDATE SET is_active = EXCLUDED.is_active",
        ),
        Table(
            "facility_coordinates",
            "facility_code, latitude, longitude, sealed_position, accuracy_level",
            "INSERT INTO facility_coordinates (facility_id, latitude, longitude, sealed_position, accuracy_level)"
            " SELECT facility_id, latitude, longitude, sealed_position, accuracy_level"
            " FROM new_facility_coordinates JOIN facilities USING (facility_code)"
            " ON CONFLICT (facility_id) DO UPDATE SET latitude = EXCLUDED.latitude, longitude = EXCLUDED.longitude,"
            " sealed_position = EXCLUDED.sealed_position, accuracy_level = EXCLUDED.accuracy_level",
        ),
        Table(
            "source_records",
            "source, key, occurrence, name_hash, facility_code, latest_version_id, good_version_id, county_code,"
            " identifier, number_index, contact_indexes, first_seen_run_id, last_seen_run_id, outcome",
            "INSERT INTO source_records (source, key, occurrence, name_hash, facility_id, latest_version_id,"
            " good_version_id, county_code, identifier, number_index, contact_indexes, first_seen_run_id,"
            " last_seen_run_id, outcome, is_due)"
            " SELECT source, key, occurrence, name_hash, facility_id, latest_version_id, good_version_id, county_code,"
            " identifier, number_index, contact_indexes, first_seen_run_id, last_seen_run_id, outcome, false"
            " FROM new_source_records LEFT JOIN facilities USING (facility_code)"
            " ON CONFLICT (source, key, occurrence) DO UPDATE SET latest_version_id = EXCLUDED.latest_version_id,"
            " good_version_id = EXCLUDED.good_version_id, facility_id = EXCLUDED.facility_id,"
            " last_seen_run_id = EXCLUDED.last_seen_run_id, outcome = EXCLUDED.outcome",
        ),
        Table(
            "source_record_versions",
            "version_id, source, key, occurrence, run_id, source_file_id, pointer, content_hash, fingerprint, raw,"
            " standardised, findings, state, loaded_in_id, attempts",
            "INSERT INTO source_record_versions (version_id, source_record_id, run_id, source_file_id, pointer,"
            " content_hash, fingerprint, raw, standardised, findings, state, loaded_in_id, attempts)"
            " SELECT version_id, source_record_id, run_id, source_file_id, pointer, content_hash, fingerprint, raw,"
            " standardised, findings, state, loaded_in_id, attempts"
            " FROM new_source_record_versions JOIN source_records USING (source, key, occurrence)"
            " ON CONFLICT (version_id) DO NOTHING",
        ),
    )
}
_REFRESHED = ", ".join(
    f"{name} = EXCLUDED.{name}"
    for name in TABLES["facilities"].columns.split(", ")
    if name not in ("facility_code", "created_by", "created_at")
)
# columns that a temporary table has instead of the surrogate key of what it points to
_STANDS_IN = {"facility_code": "varchar(50)", "source": "varchar(50)", "key": "varchar(80)", "occurrence": "integer"}


@dataclass(slots=True)
class Rows:
    """The rows of a chunk, by table."""

    by_table: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def add(self, table: str, *values: Any) -> None:
        self.by_table[table].append(values)


@dataclass(slots=True)
class Loader:
    """What a load knows: reference data, and which keys, codes and registration numbers it has met."""

    run: ImportRun
    user: User
    ids: RowIds
    fingerprint: str
    now: datetime = field(default_factory=timezone.now)
    occurrences: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)

    def write(self, chunk: Sequence[tuple[ReadRecord, Assessment]]) -> None:
        """Load a chunk in one transaction."""
        with acting(self.user.pk, f"run:{self.run.pk}"), connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval('source_record_versions_version_id_seq') FROM generate_series(1, %s)", [len(chunk)]
            )
            rows = Rows()
            for (version,), (item, assessment) in zip(cursor.fetchall(), chunk, strict=True):
                self._add(rows, version, item, assessment)
            for name, of_table in rows.by_table.items():
                _copy(cursor, TABLES[name], of_table)

    def _add(self, rows: Rows, version: int, item: ReadRecord, assessment: Assessment) -> None:
        record = None if assessment.is_rejected else assessment.record
        if record and record.facility_code not in self.codes:
            self.codes.add(record.facility_code)
            self._add_facility(rows, record)
        self._add_to_ledger(rows, version, item, assessment, record)

    def _add_facility(self, rows: Rows, record: FacilityRecord) -> None:
        number = record.registration_number if record.registration_number not in self.numbers else ""
        self.numbers.update(filter(None, [number]))
        code = record.facility_code
        rows.add("facilities", *self._facility(record, number).values())
        primary: set[str] = set()
        for contact in record.contacts:
            rows.add(
                "facility_contacts", code, self.ids.contact_type[contact.type], _CONTACT.get_prep_value(contact.value),
                FacilityContact.index_of(contact.value), contact.type not in primary,
            )  # fmt: skip
            primary.add(contact.type)
        for service in record.services:
            rows.add("facility_services", code, self.ids.service[service])
        if record.position:
            rows.add("facility_coordinates", code, *_position(record))

    def _facility(self, record: FacilityRecord, number: str) -> dict[str, Any]:
        """Return the columns of a facility in their order; of a confidential one with stand-ins and one sealed column."""
        row = {
            "facility_code": record.facility_code,
            "registration_number": number or None,
            "facility_name": record.name,
            "facility_type": record.facility_type or None,
            "operational_status_id": self.ids.status.get(record.status),
            "county_id": self.ids.county[record.county_code],
            "constituency_id": self.ids.constituency.get(record.constituency_code),
            "ward_id": self.ids.ward.get(record.ward_code),
            "address": _ADDRESS.get_prep_value(record.address),
            "town": record.town,
            "level": record.level,
            "ownership": record.ownership,
            "opening_hours": record.opening_hours,
            "website": record.website,
            "has_gender_desk": record.has_gender_desk,
            "is_confidential": record.is_confidential,
            "sealed_details": None,
            "is_active": True,
            "created_by": self.user.pk,
            "updated_by": self.user.pk,
            "created_at": self.now,
            "updated_at": self.now,
        }
        if not record.is_confidential:
            return row
        details = Details(
            facility_name=record.name, registration_number=record.registration_number,
            constituency_code=record.constituency_code, ward_code=record.ward_code, town=record.town,
            ownership=record.ownership, opening_hours=record.opening_hours, website=record.website,
        )  # fmt: skip
        return (
            row | dict(STAND_INS) | {"sealed_details": encrypt(details.to_text(), column="facilities.sealed_details")}
        )

    def _add_to_ledger(
        self, rows: Rows, version: int, item: ReadRecord, assessment: Assessment, record: FacilityRecord | None
    ) -> None:
        place = item.raw.source, item.key, self.occurrences[item.raw.source, item.key]
        self.occurrences[item.raw.source, item.key] += 1
        state = SourceRecordVersion.State.LOADED if record else SourceRecordVersion.State.REJECTED
        outcome = SourceRecord.Outcome.CREATED if record else SourceRecord.Outcome.REJECTED
        by = found_by(record) if record else FoundBy()
        rows.add(
            "source_records", *place, item.name_hash, record and record.facility_code, version, version if record else None,
            by.county_code, by.identifier, by.number_index, list(by.contact_indexes), self.run.pk, self.run.pk, outcome.value,
        )  # fmt: skip
        rows.add(
            "source_record_versions", version, *place, self.run.pk, item.file_id, item.raw.pointer[:1000],
            item.content_hash, self.fingerprint, _RAW.get_prep_value(to_stored(item.raw)),
            _STANDARDISED.get_prep_value(to_canonical(assessment.record)) if assessment.record else None,
            Jsonb([asdict(finding) for finding in assessment.findings]), state.value, self.run.pk if record else None, 1,
        )  # fmt: skip


_ADDRESS = Facility._meta.get_field("address")  # noqa: SLF001 - Django's documented API
_CONTACT = FacilityContact._meta.get_field("contact_value")  # noqa: SLF001 - as above
_SEALED_POSITION = FacilityCoordinate._meta.get_field("sealed_position")  # noqa: SLF001 - as above
_RAW = SourceRecordVersion._meta.get_field("raw")  # noqa: SLF001 - as above
_STANDARDISED = SourceRecordVersion._meta.get_field("standardised")  # noqa: SLF001 - as above


def _position(record: FacilityRecord) -> Row:
    assert record.position is not None
    latitude, longitude, accuracy = record.position.latitude, record.position.longitude, record.position.accuracy.value
    if record.is_confidential:
        return None, None, _SEALED_POSITION.get_prep_value(f"{latitude},{longitude}"), accuracy
    return latitude, longitude, None, accuracy


def load(folder: Path, sources: Sequence[str]) -> dict[str, Any]:
    """Return how many records of a delivery were loaded, how many facilities they founded, and the seconds of both halves."""
    reference = read_reference()
    user = User.import_user()
    run = ImportRun.objects.create(started_at=timezone.now(), started_by=user, host="floor", pid=1)
    loader = Loader(run, user, RowIds.read(), pipeline_fingerprint(reference))
    _create_temporary_tables()
    count, started, loading = 0, perf_counter(), 0.0
    for chunk in batched(_assessed(_raw_records(folder, sources, run), reference), CHUNK):
        began = perf_counter()
        loader.write(chunk)
        loading += perf_counter() - began
        count += len(chunk)
    ImportRun.objects.filter(pk=run.pk).update(status=ImportRun.Status.SUCCEEDED, finished_at=timezone.now())
    steps = {"read and assess": perf_counter() - started - loading, "seal and load": loading}
    return {"totals": {"read": count, "created": len(loader.codes)}, "seconds_by_step": steps}


def _raw_records(folder: Path, sources: Sequence[str], run: ImportRun) -> Iterable[tuple[Source, RawRecord, int]]:
    """Yield the records of all files; every file is read for soundness before the first of them."""
    sound = [
        (source, find_sound(folder / f"{source.name}.json", source)) for source in map(SOURCES.__getitem__, sources)
    ]
    for source, file in sound:
        row = SourceFile.objects.create(
            run=run, source=source.name, name=file.path.name, status=SourceFile.Status.SOUND, sha256=file.sha256,
            size_bytes=file.size_bytes, records=file.records, is_staged=True,
            profile=[asdict(path) for path in file.profile],
        )  # fmt: skip
        for raw in read_records(file, source=source.name, layout=source.layout):
            yield source, raw, row.pk


def _assessed(
    records: Iterable[tuple[Source, RawRecord, int]], reference: Reference
) -> Iterable[tuple[ReadRecord, Assessment]]:
    return (assessed(source, raw, file, reference) for source, raw, file in records)


def _create_temporary_tables() -> None:
    """Create, for this session, a table like each one that is loaded, empty again after every transaction."""
    with connection.cursor() as cursor:
        for table in TABLES.values():
            names = table.columns.split(", ")
            own = [name for name in names if not _is_stand_in(table, name)]
            stand_ins = [f"NULL::{_STANDS_IN[name]} AS {name}" for name in names if _is_stand_in(table, name)]
            cursor.execute(
                f"CREATE TEMP TABLE {table.temporary} ON COMMIT DELETE ROWS AS"  # noqa: S608 - every word is ours
                f" SELECT {', '.join([*own, *stand_ins])} FROM {table.name} WITH NO DATA"
            )


def _is_stand_in(table: Table, name: str) -> bool:
    is_own = {"facilities": ("facility_code",), "source_records": ("source", "key", "occurrence")}.get(table.name, ())
    return name in _STANDS_IN and name not in is_own


def _copy(cursor: Any, table: Table, rows: Sequence[Row]) -> None:
    """Load the rows of one table."""
    with cursor.copy(f"COPY {table.temporary} ({table.columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(table.insert.format(columns=table.columns, refreshed=_REFRESHED))
