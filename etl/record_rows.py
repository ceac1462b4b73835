"""Source records as matching and folding read them: plain rows, many at a time, without a model instance each."""

from typing import NamedTuple, Self

from django.db.models import F, Q, QuerySet

from etl.models import SourceRecord


class RecordRow(NamedTuple):
    """A row of source_records, as SourceRecord names its columns."""

    pk: int
    source: str
    key: str
    occurrence: int
    facility_id: int | None
    home_id: int | None
    county_code: str
    contact_indexes: list[str]
    latest_version_id: int | None
    good_version_id: int | None
    first_seen_run_id: int
    last_seen_run_id: int
    missing_since_id: int | None
    withdrawn_in_id: int | None

    @classmethod
    def read(cls, rows: QuerySet[SourceRecord], *, pending: Q) -> list[tuple[Self, bool, bool]]:
        """Return the rows of a query in the order of their keys, each with whether it is pending, and its place hidden."""
        told = rows.annotate(is_pending=pending, stands_hidden=F("facility__is_confidential"))
        columns = (*cls._fields, "is_pending", "stands_hidden")
        ordered = told.order_by("source", "key", "occurrence").values_list(*columns)
        return [(cls._make(row[:-2]), bool(row[-2]), bool(row[-1])) for row in ordered]
