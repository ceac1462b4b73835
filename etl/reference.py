"""Reads the reference data of a run - gazetteer and lookups - from the database, once."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from socket import gethostname

from core.audit import acting
from core.key_guard import check_keys
from core.models import User
from etl.errors import ReferenceDataError, WorkerDiffersError
from etl.fingerprint import pipeline_fingerprint
from etl.resilience import with_retries
from etl.stages.clean import to_key
from etl.stages.records import Lookup, Reference
from facilities.loading import load_lookups
from facilities.models import ContactType, FacilityType, OperationalStatus, ServiceCategory
from facilities.models import Lookup as LookupRow
from geography.gazetteer import Alias, Gazetteer, Level, Place
from geography.loading import load_geography
from geography.models import Constituency, County, PlaceAlias, Ward


def load_reference(folder: Path) -> dict[str, int]:
    """Return how many rows each table of reference data has after loading the fixtures in a folder: all of it, or nothing.

    Raises ReferenceDataError where an alias names a place that is not there.
    """
    with acting(User.import_user().pk, "command:load_geography"):
        counts = load_geography(folder) | load_lookups(folder / "lookups.json")
        read_reference()
    return counts


def read_reference() -> Reference:
    """Return gazetteer and lookups; raises ReferenceDataError where they are not loaded."""
    counties = County.objects.values_list("county_code", "county_name")
    constituencies = Constituency.objects.values_list("constituency_code", "constituency_name", "county__county_code")
    wards = Ward.objects.values_list("ward_code", "ward_name", "constituency__constituency_code")
    places = [
        *(Place(Level.COUNTY, code, name, "") for code, name in counties),
        *(Place(Level.CONSTITUENCY, *row) for row in constituencies),
        *(Place(Level.WARD, *row) for row in wards),
    ]
    types = list(FacilityType.objects.all())
    if not places or not types:
        message = "geography or lookups are not loaded: run `manage.py load_geography` first"
        raise ReferenceDataError(message)
    alias_rows = PlaceAlias.objects.values_list("level", "alias", "parent_code", "target_code", "kind")
    aliases = [Alias(*row) for row in alias_rows]
    try:
        gazetteer = Gazetteer.of(places, aliases)
    except ValueError as error:
        raise ReferenceDataError(f"{error}: mend that row of place_aliases.csv, or the place alias in admin") from error
    return _reference(gazetteer, types)


def with_lookups_anew(reference: Reference) -> Reference:
    """Return the same places, with the lookups as they stand now."""
    return _reference(reference.gazetteer, list(FacilityType.objects.all()))


def _reference(gazetteer: Gazetteer, types: Sequence[FacilityType]) -> Reference:
    return Reference(
        gazetteer=gazetteer,
        facility_types=_lookup((row, row.type_name) for row in types),
        kind_by_type={row.code: row.kind for row in types},
        services=_lookup((row, row.category_name) for row in ServiceCategory.objects.all()),
        statuses=_lookup((row, row.status_name) for row in OperationalStatus.objects.all()),
        contact_types=_lookup((row, row.type_name) for row in ContactType.objects.all()),
    )


def reference_around(*, county_code: str, constituency_code: str, ward_code: str) -> Reference:
    """Return the reference data that the rules need for one facility: the lists, and the places that it says it lies in."""
    places = [
        *(
            Place(Level.COUNTY, c.county_code, c.county_name, "")
            for c in County.objects.filter(county_code=county_code)
        ),
        *(
            Place(Level.CONSTITUENCY, c.constituency_code, c.constituency_name, county_code)
            for c in Constituency.objects.filter(
                constituency_code=constituency_code or None, county__county_code=county_code
            )
        ),
        *(
            Place(Level.WARD, w.ward_code, w.ward_name, constituency_code)
            for w in Ward.objects.filter(ward_code=ward_code or None, constituency__constituency_code=constituency_code)
        ),
    ]
    return _reference(Gazetteer.of(places, []), list(FacilityType.objects.all()))


def reference_like(fingerprint: str) -> Reference:
    """Return the reference data of a run in a worker; raises WorkerDiffersError where places or lookups are others here.

    Keys that do not fit the database raise KeysDoNotFitError.
    """
    with_retries(check_keys)  # each time: a worker of a cluster lives on while keys are rotated
    return _read_like(fingerprint)


@lru_cache(maxsize=1)
def _read_like(fingerprint: str) -> Reference:
    reference = with_retries(read_reference)
    if pipeline_fingerprint(reference) != fingerprint:
        message = (
            f"the worker on {gethostname()} reads other places or lookups than the run: give it the same DATABASE_URL,"
            " and import with --resume"
        )
        raise WorkerDiffersError(message)
    return reference


def _lookup(rows: Iterable[tuple[LookupRow, str]]) -> Lookup:
    code_by_text = {to_key(text): row.code for row, name in rows for text in (row.code, name, *row.aliases)}
    return Lookup(codes=frozenset(code_by_text.values()), code_by_text=code_by_text)
