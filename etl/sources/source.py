"""What a source is: one entry of SOURCES."""

from collections.abc import Callable
from dataclasses import dataclass

from etl.stages.records import FacilityRecord, Layout, RawRecord, StagedFacility


@dataclass(frozen=True, slots=True)
class Source:
    """One source and how to read it.

    `type` and `key_fields` are the document's words for what the source lists and what a record of it must tell.
    `precedence`: 1 is believed first when two sources disagree. `expected_records` is the document's estimate: a first run
    that reads less than half or more than double of it warns. `schema` names a file in etl/schemas. `take` is given where
    records are canonical already: it returns one, with its key, just as it says; nothing is cleaned or resolved then.
    """

    name: str
    type: str
    schema: str
    layout: Layout
    key_fields: tuple[str, ...]
    expected_records: int
    precedence: int
    stage: Callable[[RawRecord], StagedFacility]
    may_be_empty: bool = False
    take: Callable[[RawRecord, str], FacilityRecord] | None = None
