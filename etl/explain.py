"""A facility's life in plain words: where it comes from, what changed it, why records were merged, what is missing."""

from collections.abc import Iterator

from django.db.models import Q
from django.utils import timezone

from etl.codes import find_facility
from etl.facility_quality import validate_facility
from etl.models import DuplicatePair, SourceRecord
from etl.review import tells_a_name
from etl.sources import ENTERED
from facilities.completeness import completeness
from facilities.models import Facility
from facilities.timeline import Act, timeline

MOST_ACTS = 50


def explain(code: str) -> list[str]:
    """Return the lines that tell a facility's life; of a confidential place no name, address or contact."""
    facility = find_facility(code)
    return [
        *_who(facility, code),
        *_sources(facility),
        *_merges(facility),
        *_changes(facility),
        *_pins(facility),
        *_missing(facility),
        f"Quality: {validate_facility(facility)}.",
    ]


def _who(facility: Facility, code: str) -> Iterator[str]:
    places = (facility.ward, facility.constituency, facility.county)
    where = facility.county if facility.is_confidential else ", ".join(str(place) for place in places if place)
    yield f"{facility.facility_code}: {facility.facility_name}, {where}"
    if code.strip().upper() != facility.facility_code:
        yield f"  {code.strip().upper()} was retired by a merge and stands for this facility"
    if not facility.is_active:
        yield "  It is out of service."


def _sources(facility: Facility) -> Iterator[str]:
    records = SourceRecord.objects.filter(facility=facility).select_related(
        "latest_version__source_file", "good_version__source_file", "first_seen_run", "last_seen_run", "home"
    )
    yield "Sources:" if records else "Sources: none; a person entered it."
    for record in records:
        version = record.good_version or record.latest_version
        where = f"{version.source_file.name} {version.pointer}" if version else "?"
        seen = f"first seen in run {record.first_seen_run_id}, last in run {record.last_seen_run_id}"
        if record.source == ENTERED:
            yield "  entered by a person"
            continue
        came = f"; came with {record.home}, which was merged into this" if record.home else ""
        yield f"  {record.source}: {where} ({seen}; {record.outcome}{came})"
        if record.withdrawn_in_id:
            yield f"    withdrawn in run {record.withdrawn_in_id}: its source lists it no more"
        elif record.missing_since_id:
            yield f"    missing from its source since run {record.missing_since_id}"
        latest = record.latest_version
        for finding in latest.findings if latest else ():
            yield f"    {finding['severity']}: {finding['rule']}: {finding['message']}"


def _merges(facility: Facility) -> Iterator[str]:
    records = SourceRecord.objects.filter(facility=facility)
    pairs = DuplicatePair.objects.filter(Q(first__in=records) | Q(second__in=records)).exclude(tells_a_name())
    pairs = pairs.select_related("first__facility", "second__facility", "decided_by")
    if pairs:
        yield "Duplicates:"
    for pair in pairs:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in pair.features.items() if isinstance(value, float))
        other = pair.second if pair.first.facility_id == facility.pk else pair.first
        code = other.facility.facility_code if other.facility else "no facility yet"
        about = (
            "merged with" if pair.decision == DuplicatePair.Decision.MERGED else f"{pair.decision.replace('_', ' ')}:"
        )
        yield f"  {about} {other.source} ({code}), score {pair.score:.2f}{f' ({parts})' if parts else ''}; {_why(pair)}"


def _why(pair: DuplicatePair) -> str:
    return f"{pair.reason}; decided by {pair.decided_by}" if pair.decided_by else pair.reason


def _changes(facility: Facility) -> Iterator[str]:
    acts = timeline(facility)
    yield "Changes, newest first:" if acts else "Changes: none since the audit trail began."
    for act in acts[:MOST_ACTS]:
        when = timezone.localtime(act.when).strftime("%Y-%m-%d %H:%M")
        yield f"  {when} {act.origin}{f' ({act.who})' if act.who else ''}"
        yield from _lines(act, hides_names=facility.is_confidential)
    if len(acts) > MOST_ACTS:
        yield f"  and {len(acts) - MOST_ACTS} earlier ones: see its history in admin"


def _lines(act: Act, *, hides_names: bool) -> Iterator[str]:
    word = {"INSERT": "added", "UPDATE": "changed", "DELETE": "taken away"}
    for change in act.changes:
        labels = ", ".join(
            line.label
            if hides_names or change.operation != "UPDATE"
            else f"{line.label} {line.before or 'empty'} -> {line.after or 'empty'}"
            for line in change.lines
        )
        yield f"    {change.what} {word[change.operation]}{f': {labels}' if labels else ''}"


def _pins(facility: Facility) -> Iterator[str]:
    for pin in facility.pins.select_related("pinned_by"):
        yield f"Pinned: {pin}, by {pin.pinned_by or '?'} on {timezone.localtime(pin.pinned_at):%Y-%m-%d}; imports keep it."


def _missing(facility: Facility) -> Iterator[str]:
    found = completeness(facility.known)
    yield f"Complete: {found.percent} %."
    yield f"Missing: {', '.join(found.missing) or 'nothing'}."
