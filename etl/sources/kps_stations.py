"""kps_stations.json: police stations, region > county > sub-county > stations; county keys may carry a number."""

from dataclasses import replace

from etl.sources.reader import Reader
from etl.sources.source import Source
from etl.stages.records import Layout, RawRecord, StagedFacility


def stage(raw: RawRecord) -> StagedFacility:
    """Return the record under the canonical names.

    Its county is the list it stands in, never read off its name or its place: a station called SAMBURU stands in Kwale.
    """
    record = Reader.of(raw)
    staged = record.staged()
    sub_county = staged.sub_county or record.inherited("sub_county")
    return replace(
        staged,
        default_type="police-station",
        county=staged.county or record.inherited("county"),
        sub_county=sub_county,
        town=staged.town or staged.location_text,
        address="" if staged.address == staged.location_text else staged.address,
        location_text="",
        sub_place=f"{sub_county}|{staged.location_text}|{staged.ward}",
        unread=record.unread(),
    )


SOURCE = Source(
    name="kps_stations",
    type="police_stations",
    schema="nested_police",
    layout=Layout(("police_stations", "{region}", "{county}", "{sub_county}", "[]"), ("station_name",)),
    key_fields=("station_name", "location", "contacts"),
    expected_records=100,
    precedence=2,
    stage=stage,
)
