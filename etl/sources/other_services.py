"""other_services.json: one flat list of service providers, strings only."""

from dataclasses import replace

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.records import Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return the record under the canonical names."""
    record = Reader.of(raw)
    return replace(
        record.staged(),
        default_type="support-organisation",
        services=record.texts("service_type", "services"),
        unread=record.unread(),
    )


SOURCE = Source(
    name="other_services",
    type="service_providers",
    schema="flat_service",
    layout=Layout(("[]",), ("facility_name", "name")),
    key_fields=("facility_name", "contact", "service_type"),
    expected_records=30,
    precedence=6,
    stage=stage,
)
