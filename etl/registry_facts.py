"""What the quality stages look at, read from the registry and the ledger: streamed, never all at once."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Length

from etl.models import DuplicatePair, ImportRun, SourceFile, SourceRecord, SourceRecordVersion
from etl.sources import ENTERED, REPEATING
from etl.stages.profile import FIELDS, FacilityFacts
from etl.stages.records import Share
from etl.stages.rules import MANY_FACILITIES, MOST_NAMED, Dataset
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService
from facilities.protection import STAND_INS
from facilities.verifying import stale_before

CHUNK = 2000
OUTCOMES = ("created", "updated", "unchanged", "merged", "rejected")
_COLUMN_OF = {"constituency": "constituency_id", "ward": "ward_id"}
# what of a confidential place cannot be told without opening it
_SEALED = frozenset(name for name in FIELDS if _COLUMN_OF.get(name, name) in STAND_INS)
_COLUMNS = {
    "facility_name": "facility_name", "registration_number": "registration_number", "constituency": "constituency_id",
    "ward": "ward_id", "facility_type": "facility_type_id", "status": "operational_status_id", "address": "address_length",
    "town": "town", "level": "level", "ownership": "ownership", "opening_hours": "opening_hours", "website": "website",
    "position": "coordinate",
}  # fmt: skip


def listed_records() -> QuerySet[SourceRecord]:
    """Return the records that their sources list, each with what became of it when it was read last.

    An export that was read back, or a legacy database, lists nothing anew: it repeats what sources, or persons, said elsewhere.
    """
    return SourceRecord.objects.filter(
        missing_since__isnull=True, latest_version__isnull=False, outcome__in=OUTCOMES
    ).exclude(source__in=[ENTERED, *REPEATING])


def count_listed() -> dict[str, Counter[str]]:
    """Return how many records each source lists, by outcome."""
    counted: dict[str, Counter[str]] = {}
    for source, outcome, count in listed_records().order_by().values_list("source", "outcome").annotate(n=Count("pk")):
        counted.setdefault(source, Counter())[outcome] = count
    return counted


def records_with_findings() -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Yield the number, the source and the findings of each listed record on which something was found."""
    found = listed_records().exclude(latest_version__findings=[]).order_by()
    return found.values_list("pk", "source", "latest_version__findings").iterator(chunk_size=CHUNK)


def rejected_records() -> QuerySet[SourceRecord]:
    """Return the records that wait for a person: their newest version is a reject, and nobody discarded it."""
    return SourceRecord.objects.filter(latest_version__state=SourceRecordVersion.State.REJECTED)


def records_elsewhere(listed: QuerySet[SourceRecord] | None = None) -> dict[int, str]:
    """Return the records (number -> source), of these or of all listed ones, that name another county than their facility's.

    Where a person moved the facility, the person is right.
    """
    records = listed_records() if listed is None else listed
    found = records.exclude(outcome="rejected").exclude(county_code="").filter(facility__isnull=False)
    elsewhere = found.exclude(county_code=F("facility__county__county_code"))
    return dict(elsewhere.exclude(facility__pins__target="county_id").values_list("pk", "source"))


def records_of(codes: list[str]) -> dict[int, str]:
    """Return the listed records (number -> source) of the facilities with these codes."""
    found = listed_records().exclude(outcome="rejected").filter(facility__facility_code__in=codes)
    return dict(found.values_list("pk", "source"))


def count_in_service() -> dict[str, Share]:
    """Return how many facilities in service state each required field: name, code, and a place down to constituency."""
    is_open = Q(is_confidential=False)
    counted = Facility.objects.filter(is_active=True).aggregate(
        all=Count("pk"),
        open=Count("pk", filter=is_open),
        coded=Count("pk", filter=~Q(facility_code="")),
        named=Count("pk", filter=is_open & ~Q(facility_name="")),
        placed=Count("pk", filter=is_open & Q(constituency__isnull=False)),
    )
    return {
        "facility_name": Share(counted["named"], counted["open"]),
        "facility_code": Share(counted["coded"], counted["all"]),
        "location": Share(counted["placed"], counted["open"]),
    }


def facilities_in_doubt() -> int:
    """Return how many facilities in service an open duplicate pair touches."""
    pairs = DuplicatePair.objects.filter(decision=DuplicatePair.Decision.TO_REVIEW)
    touched = {pk for pair in pairs.values_list("first__facility", "second__facility") for pk in pair if pk}
    return Facility.objects.filter(pk__any=list(touched), is_active=True).count()


def verified_contacts(now: datetime) -> Share:
    """Return how many contacts of open facilities in service somebody verified lately, of all of them."""
    contacts = FacilityContact.objects.filter(facility__is_active=True, facility__is_confidential=False)
    counted = contacts.aggregate(all=Count("pk"), fresh=Count("pk", filter=Q(verified_at__gte=stale_before(now))))
    return Share(counted["fresh"], counted["all"])


def last_read() -> dict[str, ImportRun]:
    """Return the last run that read all of each source and was not undone."""
    staged = SourceFile.objects.filter(is_staged=True, run__undone_by__isnull=True)
    runs = dict(staged.order_by().values_list("source").annotate(last=Max("run")))
    known = ImportRun.objects.in_bulk(runs.values())
    return {source: known[run] for source, run in runs.items()}


def facility_facts() -> Iterator[FacilityFacts]:
    """Yield what the profile looks at of each facility in service; no sealed value is opened."""
    mine = OuterRef("pk")
    services = FacilityService.objects.filter(facility=mine, is_active=True).order_by("service_category__code")
    rows = (
        Facility.objects.filter(is_active=True)
        .order_by("pk")
        .annotate(
            sources=ArraySubquery(SourceRecord.objects.filter(facility=mine).values("source").distinct()),
            offered=ArraySubquery(services.values("service_category__code")),
            reached=ArraySubquery(FacilityContact.objects.filter(facility=mine).values("value_index")),
            address_length=Length("address"),  # of the token: nothing is opened
        )
    )
    names = (
        "facility_code", "county__county_name", "is_confidential", "has_gender_desk", "sources", "offered", "reached",
        "operational_status__code", "coordinate__latitude", "coordinate__longitude", "coordinate__accuracy_level",
        *_COLUMNS.values(),
    )  # fmt: skip
    for row in rows.values(*names).iterator(chunk_size=CHUNK):
        yield _facts(row)


def _facts(row: dict[str, Any]) -> FacilityFacts:
    is_hidden = row["is_confidential"]
    stated = {name for name, column in _COLUMNS.items() if row[column]}
    stated |= {"facility_code", "county"}
    stated |= {name for name, column in (("services", "offered"), ("contacts", "reached")) if row[column]}
    stated |= {"has_gender_desk"} if row["has_gender_desk"] is not None else set()
    sealed = _SEALED if is_hidden else frozenset()
    latitude, longitude = row["coordinate__latitude"], row["coordinate__longitude"]
    values = {
        "county": row["county__county_name"], "facility_type": row["facility_type_id"],
        "status": row["operational_status__code"], "accuracy": row["coordinate__accuracy_level"],
    }  # fmt: skip
    keys = {"facility_code": (row["facility_code"],), "contact": tuple(row["reached"])}
    if not is_hidden:
        keys["name in county"] = (f"{row['county__county_name']}\0{row['facility_name'].casefold()}",)
        keys["registration_number"] = tuple(filter(None, [row["registration_number"]]))
        keys["position"] = (f"{latitude},{longitude}",) if latitude is not None else ()
    return FacilityFacts(
        sources=tuple(sorted(source for source in row["sources"] if source != ENTERED)),
        stated=frozenset(stated) - sealed,
        sealed=sealed,
        values={name: (value,) if value else () for name, value in values.items()}
        | {"services": tuple(row["offered"])},
        keys=keys,
    )


def datasets() -> Iterator[Dataset]:
    """Yield what the rules about the whole registry look at: the positions of each county, then contacts, then services.

    Never all positions at once; sealed positions take no part.
    """
    open_positions = FacilityCoordinate.objects.filter(facility__is_active=True, latitude__isnull=False)
    county_column = "facility__county__county_code"
    columns = (county_column, "facility__facility_code", "latitude", "longitude")
    rows = open_positions.order_by(county_column, "facility__facility_code").values_list(*columns)
    for county, of_county in groupby(rows.iterator(), key=itemgetter(0)):
        points = [(code, float(latitude or 0), float(longitude or 0)) for _, code, latitude, longitude in of_county]
        yield Dataset(points_by_county={county: points})
    yield _shared_contacts()
    yield Dataset(profiles_by_source=_profiles_by_source())


def _shared_contacts() -> Dataset:
    """Return the contacts of many open places; more beside the codes of few would tell whose confidential places are."""
    is_open = FacilityContact.objects.filter(facility__is_active=True, facility__is_confidential=False)
    contacts = is_open.exclude(contact_type__code="hotline").order_by()
    shared = dict(
        contacts.values_list("value_index").annotate(n=Count("facility", distinct=True)).filter(n__gte=MANY_FACILITIES)
    )
    codes = (
        contacts.filter(value_index__in=shared)
        .values_list("value_index")
        .annotate(codes=ArrayAgg("facility__facility_code", order_by="facility__facility_code"))
    )
    return Dataset(facility_count_by_contact=shared, codes_by_contact={index: of[:MOST_NAMED] for index, of in codes})


def _profiles_by_source() -> dict[str, Counter[tuple[str, ...]]]:
    """Return how many facilities of each source state which services, of those that state any."""
    services = FacilityService.objects.filter(facility=OuterRef("facility"), is_active=True)
    offered = ArraySubquery(services.order_by("service_category__code").values("service_category__code"))
    rows = listed_records().filter(facility__is_active=True).order_by().values("source", "facility").distinct()
    found: dict[str, Counter[tuple[str, ...]]] = {}
    for source, _, codes in rows.annotate(offered=offered).values_list("source", "facility", "offered").iterator():
        found.setdefault(source, Counter())[tuple(codes)] += 1
    return found
