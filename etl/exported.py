"""Records of an export stand for the facilities that their codes name, before anything is matched."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

from django.db.models import Q

from etl.assessment import Assessment, ReadRecord
from etl.codes import find_facilities
from etl.models import SourceRecord, SourceRecordVersion
from etl.sources import EXPORTED
from etl.stages.records import Finding, Severity
from facilities.models import Facility

State = SourceRecordVersion.State
Assessed = tuple[SourceRecord, ReadRecord, Assessment]
_HIDDEN = Finding(
    rule="place-confidential",
    severity=Severity.REJECT,
    field="facility_code",
    message="its code belongs to a confidential place, of which no export speaks; nothing of it was loaded",
    hint="take the record out of the file",
)
_REPEATED = Finding(
    rule="code-repeated",
    severity=Severity.REJECT,
    field="facility_code",
    message="another record of the file has the same code; none of them was loaded",
    hint="leave the one that is right in the file",
)


def stand_for_codes(assessed: Sequence[Assessed]) -> list[Assessed]:
    """Return records with what became of them, each standing for the facility that has its code, or had it before a merge.

    A confidential place is spoken of by no export. Who has its code all the same is rejected, unless it is the one by whose
    word the place became confidential.
    """
    good = [assessment.record for _, _, assessment in assessed if assessment.record and not assessment.is_rejected]
    facilities = find_facilities({record.facility_code for record in good})
    return [(row, item, _stand_for(row, item, assessment, facilities)) for row, item, assessment in assessed]


def _stand_for(
    row: SourceRecord, item: ReadRecord, assessment: Assessment, facilities: dict[str, Facility]
) -> Assessment:
    said = assessment.record
    facility = facilities.get(said.facility_code) if said and not assessment.is_rejected else None
    if said is None or facility is None:
        return assessment
    is_its_own_word = said.is_confidential and row.facility_id == facility.pk
    if facility.is_confidential and not is_its_own_word:
        return Assessment(None, (replace(_HIDDEN, pointer=item.raw.pointer),))  # other findings quote its words
    if row.facility_id is None:
        row.facility = facility
    return assessment


def reject_repeated() -> list[SourceRecord]:
    """Return the waiting records, rejected and unsaved, whose code another listed record has, too.

    What was loaded before stays so. The others are looked at again by the next import: the file may name them once then.
    """
    listed = SourceRecord.objects.filter(source=EXPORTED, missing_since__isnull=True)
    # mostly none, and found by an index: inside a dry run's transaction nothing tells PostgreSQL how many rows there are
    keys = set(listed.filter(occurrence__gt=0).values_list("key", flat=True))
    is_good = Q(latest_version__state__in=[State.PENDING, State.LOADED])
    is_repeated = Q(latest_version__findings__contains=[{"rule": _REPEATED.rule}])
    rows = listed.filter(is_good | is_repeated, key__in=keys).select_related("latest_version")
    records = list(rows.defer("latest_version__raw", "latest_version__standardised")) if keys else []
    often = Counter(record.key for record in records)
    rejected = [
        record
        for record in records
        if often[record.key] > 1 and record.latest_version and record.latest_version.state == State.PENDING
    ]
    for record in rejected:
        version = record.latest_version
        assert version is not None
        version.state = State.REJECTED
        version.findings = [*version.findings, asdict(_REPEATED) | {"pointer": version.pointer}]
        version.save(update_fields=["state", "findings"])
        record.outcome, record.is_due = SourceRecord.Outcome.REJECTED, True
        record.facility = record.facility if record.good_version_id else None
    return rejected
