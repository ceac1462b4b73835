"""category_A.json: comprehensive GBV services by category; services and location are strings."""

from dataclasses import replace

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.records import Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return the record under the canonical names.

    The heading it stands under only sorts the list: what a place offers stands in its services.
    """
    record = Reader.of(raw)
    return replace(record.staged(), unread=record.unread())


SOURCE = Source(
    name="category_A",
    type="gbv_services",
    schema="categorized_services",
    layout=Layout(("services_by_category", "{category}", "[]"), ("organization_name",)),
    key_fields=("organization_name", "services", "location"),
    expected_records=25,
    precedence=3,
    stage=stage,
)
