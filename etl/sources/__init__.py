"""SOURCES: the explicit table of what can be imported, in the order of the document."""

from etl.sources import (
    category_a,
    category_b,
    equity_afya,
    gbv_support_organizations,
    kps_stations,
    other_services,
    regional,
)
from etl.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        regional.SOURCE,
        other_services.SOURCE,
        kps_stations.SOURCE,
        category_a.SOURCE,
        category_b.SOURCE,
        equity_afya.SOURCE,
        gbv_support_organizations.SOURCE,
    )
}

__all__ = ["SOURCES", "Source"]
