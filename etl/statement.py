"""A run's statement, computed from the database: outcomes by source, quality, and the books that must balance."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Count, Q

from etl.errors import UnbalancedBooksError
from etl.models import DuplicatePair, ImportRun, SourceRecord, SourceRecordVersion
from etl.stages.quality import TARGETS, Counts, measure, score
from etl.stages.rules import DATASET_RULES, MANY_FACILITIES, Dataset
from facilities.models import Facility, FacilityContact, FacilityCoordinate

OUTCOMES = ("created", "updated", "unchanged", "merged", "rejected")


def outcomes_by_source(run: ImportRun, read: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return, for each source that was read, its records by outcome in this run; raises UnbalancedBooksError.

    `read` is what the extract stage counted; read = created + updated + unchanged + merged + rejected must hold.
    """
    counted: dict[str, Counter[str]] = {source: Counter() for source in read}
    of_run = SourceRecord.objects.filter(last_seen_run=run, source__in=read)
    seen = of_run.values_list("source", "outcome").annotate(n=Count("pk"))
    for source, outcome, count in seen:
        counted[source][outcome] = count
    gone = SourceRecord.objects.filter(
        source__in=read, missing_since__isnull=False, latest_version__isnull=False
    ).values_list("source")
    missing = dict(gone.annotate(n=Count("pk")))
    for source, records in read.items():
        if sum(counted[source][outcome] for outcome in OUTCOMES) != records:
            message = f"{source}: {records} records were read, but {dict(counted[source])} came of them; report this as a fault"
            raise UnbalancedBooksError(message)
    return {
        source: {"read": records, **{o: counted[source][o] for o in OUTCOMES}, "missing": missing.get(source, 0)}
        for source, records in read.items()
    }


def find_rejects(run: ImportRun, most: int) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Return how many records this run rejected by rule, the commonest first, and the first of them.

    Each with its file, its pointer, and rule, message and hint of its first reject.
    """
    rejected = SourceRecord.objects.filter(last_seen_run=run, outcome="rejected").values("latest_version")
    versions = SourceRecordVersion.objects.filter(pk__in=rejected).order_by("pk")
    by_rule: Counter[str] = Counter()
    found: list[dict[str, str]] = []
    for name, pointer, findings in versions.values_list("source_file__name", "pointer", "findings").iterator():
        first = next(finding for finding in findings if finding["severity"] == "reject")
        by_rule[first["rule"]] += 1
        if len(found) < most:
            told = {part: first[part] for part in ("rule", "message", "hint")}
            found.append({"file": name, "pointer": pointer, **told})
    return dict(by_rule.most_common()), found


def find_missing(sources: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return records that these sources listed once and list no more: source, last file and pointer, facility code."""
    gone = SourceRecord.objects.filter(source__in=sources, missing_since__isnull=False, latest_version__isnull=False)
    rows = gone.order_by("source", "key", "occurrence").values_list(
        "source",
        "latest_version__source_file__name",
        "latest_version__pointer",
        "facility__facility_code",
        "missing_since",
    )
    return [
        {"source": source, "file": name, "pointer": pointer, "facility_code": code or "", "since_run": run}
        for source, name, pointer, code, run in rows[:most]
    ]


def count_pins_kept(run: ImportRun) -> int:
    """Return how many records the run loaded whose facility keeps something that a person set instead of their word."""
    return SourceRecordVersion.objects.filter(loaded_in=run, findings__contains=[{"rule": "pin-kept"}]).count()


def count_to_review(run: ImportRun) -> int:
    """Return how many pairs the run, all its attempts, put up for review."""
    return DuplicatePair.objects.filter(run=run, decision=DuplicatePair.Decision.TO_REVIEW).count()


def find_dataset_findings() -> list[dict[str, str]]:
    """Return what the rules about the whole registry find, as JSON objects; sealed positions take no part."""
    return [
        {"rule": f.rule, "severity": f.severity.value, "field": f.field, "message": f.message, "hint": f.hint}
        for dataset in _datasets()
        for rule in DATASET_RULES
        for f in rule(dataset)
    ]


def _datasets() -> Iterator[Dataset]:
    """Yield what the rules look at: the positions of each county, and the contacts of all; never all positions at once."""
    open_positions = FacilityCoordinate.objects.filter(facility__is_active=True, latitude__isnull=False)
    county_column = "facility__county__county_code"
    columns = (county_column, "facility__facility_code", "latitude", "longitude")
    rows = open_positions.order_by(county_column, "facility__facility_code").values_list(*columns)
    for county, of_county in groupby(rows.iterator(), key=itemgetter(0)):
        points = [(code, float(latitude or 0), float(longitude or 0)) for _, code, latitude, longitude in of_county]
        yield Dataset(points_by_county={county: points}, facility_count_by_contact={})
    shared = (
        FacilityContact.objects.filter(facility__is_active=True)
        .exclude(contact_type__code="hotline")
        .values_list("value_index")
        .annotate(n=Count("facility", distinct=True))
        .filter(n__gte=MANY_FACILITIES)
    )
    yield Dataset(points_by_county={}, facility_count_by_contact=dict(shared))


def measure_quality(run: ImportRun, *, sources: Sequence[str], read: Mapping[str, int]) -> dict[str, float | None]:
    """Return the score and the five metrics in percent, null where there is nothing to measure."""
    if not read:
        return dict.fromkeys(("score", *TARGETS))  # a run that read nothing measures nothing
    facilities = Facility.objects.filter(is_active=True)
    filled = facilities.aggregate(
        all=Count("pk"),
        named=Count("pk", filter=~Q(facility_name="")),
        placed=Count("pk", filter=Q(constituency__isnull=False) | Q(is_confidential=True)),  # where that is, is sealed
    )
    seen = SourceRecord.objects.filter(last_seen_run=run, source__in=read)
    sound = seen.exclude(outcome="rejected")
    contradicted = sound.filter(
        Q(good_version__findings__contains=[{"rule": "ward-outside-constituency"}])
        | Q(good_version__findings__contains=[{"rule": "constituency-outside-county"}]),
    )
    open_pairs = DuplicatePair.objects.filter(decision=DuplicatePair.Decision.TO_REVIEW)
    in_doubt = {pk for pair in open_pairs.values_list("first__facility", "second__facility") for pk in pair if pk}
    sound_count = sound.count()
    metrics = measure(
        Counts(
            facilities=filled["all"],
            required_filled=filled["all"] + filled["named"] + filled["placed"],
            required_values=3 * filled["all"],
            records_read=sum(read.values()),
            records_sound=sound_count,
            records_consistent=sound_count - contradicted.count(),
            sources_expected=len(sources),
            sources_fresh=len(read),
            facilities_in_doubt=len(in_doubt),
        ),
    )
    return {"score": score(metrics), **{name: metric.percent for name, metric in metrics.items()}}
