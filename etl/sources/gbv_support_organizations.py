"""gbv_support_organizations.json: shelters and other support organisations; empty today."""

from dataclasses import replace

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.records import Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return the record under the canonical names."""
    record = Reader.of(raw)
    return replace(record.staged(), confidential_unless_known=True, unread=record.unread())


SOURCE = Source(
    name="gbv_support_organizations",
    type="gbv_organizations",
    schema="support_organizations",
    layout=Layout(("organizations", "[]"), ("name", "organization_name")),
    key_fields=("name", "location", "services"),
    expected_records=0,
    precedence=7,
    may_be_empty=True,
    stage=stage,
)
