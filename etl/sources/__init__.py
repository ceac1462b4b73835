"""SOURCES: the explicit table of what an import reads, in the order of the document; EVERY_SOURCE: what the ledger holds."""

from etl.sources import (
    canonical,
    category_a,
    category_b,
    equity_afya,
    gbv_support_organizations,
    kps_stations,
    legacy,
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

EXPORTED = canonical.SOURCE.name  # read where it is named
IMPORTED: dict[str, Source] = {**SOURCES, EXPORTED: canonical.SOURCE}  # what a file can be read as
MIGRATED = legacy.SOURCE.name  # what migrate_sqlite brought
EVERY_SOURCE: dict[str, Source] = {**IMPORTED, MIGRATED: legacy.SOURCE}
REPEATING = (EXPORTED, MIGRATED)  # they say again what a registry said: no list that drops a place, or takes it in

ENTERED = "entered"  # no file: what a person entered in admin, which is believed before every source
AFTER_ALL = 99

# Who is believed first about single fields, before the sources' own precedence.
PRECEDENCE_BY_FIELD: dict[str, tuple[str, ...]] = {
    "has_gender_desk": ("kps_stations",),
    "opening_hours": ("equity_afya", "gbv_support_organizations"),
    "website": ("gbv_support_organizations",),
}


def precedence_of(source: str) -> int:
    """Return a source's precedence: 1 is believed first, 0 is a person."""
    return 0 if source == ENTERED else EVERY_SOURCE[source].precedence


def precedence_by_field(source: str) -> dict[str, int]:
    """Return a source's rank for each field of PRECEDENCE_BY_FIELD; what a person entered stays first."""
    return {
        name: -1 if source == ENTERED else first.index(source) if source in first else AFTER_ALL
        for name, first in PRECEDENCE_BY_FIELD.items()
    }


__all__ = [
    "AFTER_ALL", "ENTERED", "EVERY_SOURCE", "EXPORTED", "IMPORTED", "MIGRATED", "PRECEDENCE_BY_FIELD", "REPEATING", "SOURCES",
    "Source", "precedence_by_field", "precedence_of",
]  # fmt: skip
