"""regional.json: the health ministry's list, region > county > facilities; places in an object, services a list."""

from dataclasses import replace

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.records import Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return the record under the canonical names."""
    record = Reader.of(raw)
    staged = record.staged()
    return replace(
        staged,
        county=staged.county or record.inherited("county"),
        unread=record.unread(),
    )


SOURCE = Source(
    name="regional",
    type="healthcare_facilities",
    schema="nested_regional",
    layout=Layout(("regions", "[]", "counties", "[]", "facilities", "[]"), ("name", "facility_name")),
    key_fields=("name", "location", "services"),
    expected_records=50,
    precedence=1,
    stage=stage,
)
