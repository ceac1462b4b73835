"""One facility's quality: whether it fits the schema and the rules, what is odd about it, and its score by the five metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from core.crypto import Unreadable
from etl.facility_rows import existing_state
from etl.models import DuplicatePair, QualitySnapshot, SourceRecord
from etl.reference import reference_around
from etl.registry_facts import last_read, listed_records, records_elsewhere
from etl.sources import ENTERED
from etl.stages.canonical import to_canonical
from etl.stages.plan import FIELDS
from etl.stages.quality import Faults, score
from etl.stages.records import Contact, FacilityRecord, Position, Share
from etl.stages.rules import FAR_FROM_COUNTY, find_rule_breaks
from etl.stages.validate import find_schema_errors
from facilities.completeness import completeness
from facilities.models import Facility


@dataclass(frozen=True, slots=True)
class FacilityQuality:
    """What the document's validate_facility() returns: two claims, the rules of anomalies, and a score in percent.

    `findings` say what breaks the schema or a rule, in words that hold no value.
    """

    schema_valid: bool
    business_rules_valid: bool
    anomalies_detected: tuple[str, ...]
    quality_score: float | None
    findings: tuple[str, ...]

    def __str__(self) -> str:
        said = [
            "not measurable" if self.quality_score is None else f"{self.quality_score:.0f} %",
            "fits the schema" if self.schema_valid else "does not fit the schema",
            "keeps the rules" if self.business_rules_valid else "breaks a rule",
            f"odd: {', '.join(self.anomalies_detected)}" if self.anomalies_detected else "nothing odd",
        ]
        return "; ".join([*said, *self.findings])


def validate_facility(facility: Facility, *, now: datetime | None = None) -> FacilityQuality:
    """Return the quality of one facility (with_details() saves queries); anomalies are those of the last snapshot."""
    record = _record_of(facility)
    unfit = find_schema_errors(to_canonical(record), schema="canonical_facility", rule="canonical-schema")
    places = {name: getattr(record, name) for name in ("county_code", "constituency_code", "ward_code")}
    broken = find_rule_breaks(record, reference_around(**places))
    anomalies = _anomalies(facility)
    percents = _percents(
        facility,
        is_sound=not unfit and not broken,
        is_far=FAR_FROM_COUNTY in anomalies,
        now=now or timezone.now(),
    )
    return FacilityQuality(
        schema_valid=not unfit,
        business_rules_valid=not broken,
        anomalies_detected=anomalies,
        quality_score=score(percents),
        findings=tuple(f"{finding.rule}: {finding.field}" for finding in (*unfit, *broken)),
    )


def _record_of(facility: Facility) -> FacilityRecord:
    """Return a facility as the rules see a record; what no key opens is left out."""
    state = existing_state(facility)
    position = state.position
    return FacilityRecord(
        source=ENTERED,
        key=f"id:{facility.facility_code}",
        facility_code=facility.facility_code,
        **{name: _plain(state.fields[name]) for name in FIELDS},  # type: ignore[arg-type] # each of its own type
        is_confidential=facility.is_confidential,
        is_active=facility.is_active,
        position=Position(position.latitude, position.longitude, position.accuracy) if position else None,
        contacts=tuple(
            Contact(contact.contact_type.code, str(contact.contact_value))
            for contact in facility.contacts.all()
            if not isinstance(contact.contact_value, Unreadable)
        ),
        services=tuple(sorted(s.service_category.code for s in facility.services.all() if s.is_active)),
    )


def _plain(value: object) -> object:
    """Return a value without what remembers its token: the schema's gate takes plain text only."""
    return str(value) if isinstance(value, str) else value


def _percents(facility: Facility, *, is_sound: bool, is_far: bool, now: datetime) -> dict[str, float | None]:
    """Return the five metrics of one facility: what lowers the registry's by it lowers its own."""
    listed = listed_records().filter(facility=facility)
    records = list(listed.select_related("latest_version").defer(*_SEALED))
    faults = Faults()
    for record in records:
        faults.add(record.pk, record.source, record.latest_version.findings if record.latest_version else [])
    faults.inconsistent |= records_elsewhere(listed)
    loaded = sum(record.outcome != SourceRecord.Outcome.REJECTED for record in records)
    consistent = 0 if is_far else loaded - len(faults.inconsistent)
    read = {source: run.started_at for source, run in last_read().items()}
    oldest = now - timedelta(hours=settings.ETL_FRESH_HOURS)
    sources = {record.source for record in records if record.source in read}
    in_doubt = DuplicatePair.objects.filter(
        Q(first__facility=facility) | Q(second__facility=facility), decision=DuplicatePair.Decision.TO_REVIEW
    ).exists()
    accurate = len(records) - faults.inaccurate.total()
    return {
        "completeness": float(completeness(facility.known).percent),
        "accuracy": (Share(accurate, len(records)).percent if records else 100.0) if is_sound else 0.0,
        "consistency": Share(consistent, loaded).percent,
        "timeliness": Share(sum(read[source] >= oldest for source in sources), len(sources)).percent,
        "uniqueness": 0.0 if in_doubt else 100.0,
    }


_SEALED = ("latest_version__raw", "latest_version__standardised")


def _anomalies(facility: Facility) -> tuple[str, ...]:
    last = QualitySnapshot.objects.only("anomalies").first()
    if last is None:
        return ()
    code = facility.facility_code
    rules = [one["rule"] for one in last.anomalies["found"] if code in one["facilities"]]
    rules += [FAR_FROM_COUNTY] if code in last.anomalies["far"] else []  # all are in there, beyond MOST_KEPT too
    return tuple(dict.fromkeys(rules))
