"""equity_afya.json: clinics of one brand; coordinates are [longitude, latitude] and the number is the brand's."""

from dataclasses import replace

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.records import Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return the record under the canonical names."""
    record = Reader.of(raw)
    staged = record.staged()
    longitude, latitude, *_ = (*record.texts("coordinates"), "", "")
    return replace(
        staged,
        default_type="clinic",
        town=staged.town or staged.location_text.partition(",")[0],
        longitude=staged.longitude or longitude,
        latitude=staged.latitude or latitude,
        unread=record.unread(),
    )


SOURCE = Source(
    name="equity_afya",
    type="healthcare_network",
    schema="network_facilities",
    layout=Layout(("facilities", "[]"), ("facility_name", "name")),
    key_fields=("facility_name", "location", "services"),
    expected_records=12,
    precedence=5,
    stage=stage,
)
