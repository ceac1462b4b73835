"""category_B.json: GBV services as one list; services are a list and location an object."""

from etl.sources.category_a import stage
from etl.sources.source import Source
from etl.stages.records import Layout

SOURCE = Source(
    name="category_B",
    type="gbv_services",
    schema="categorized_services",
    layout=Layout(("organizations", "[]"), ("organization_name",)),
    key_fields=("organization_name", "services", "location"),
    expected_records=20,
    precedence=4,
    stage=stage,
)
