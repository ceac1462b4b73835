"""canonical.json: an internal export of a registry (`export_facilities --audience internal --format json`), read back.

It is read where it is named, never as one of the seven. A record is known by its facility's code. Where a facility has, or
had before a merge, that code, the record stands for it from the start: matching decides nothing, and a record that says what
its facility says is unchanged. Elsewhere it founds the facility with this code, in service or not.

It is believed last. What is mended in the file (opening_hours, say) shows in the registry where no source and no person says
anything of it, else not; the file never lowers a protection class, and takes no facility out of service nor back into it.
An export that was imported goes on contributing like any list: import one into an empty registry, or try it with --dry-run.
"""

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.canonical import from_export
from etl.stages.records import FacilityRecord, Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return who the record is; take() reads the rest."""
    record = Reader.of(raw)
    record.ignore(
        "status", "registration_number", "level", "ownership", "opening_hours", "website", "has_gender_desk",
        "is_confidential", "is_active", "contacts", "services",
    )  # fmt: skip
    record.inside("location").ignore("county", "constituency", "ward", "town", "address", "position")
    return StagedFacility(
        name=record.text("facility_name"),
        identifier=record.text("facility_code"),
        facility_type=record.text("facility_type"),
        unread=record.unread(),
    )


def take(raw: RawRecord, key: str) -> FacilityRecord:
    """Return the record as it says; the raw schema has checked it."""
    return from_export(raw.payload, source=raw.source, key=key)


SOURCE = Source(
    name="canonical",
    type="registry_export",
    schema="canonical_export",
    layout=Layout(("facilities", "[]"), ("facility_code",)),
    key_fields=("facility_code", "facility_name", "location"),
    expected_records=0,
    precedence=8,
    stage=stage,
    take=take,
)
