"""Pass 2: match county by county, fold golden records, plan, upsert in batches together with their ledger rows."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import batched

from django.conf import settings
from django.db import connection

from core.statistics import refresh_statistics
from etl.across_counties import pair_across_counties
from etl.batch import CLASH, clash_finding, load_batch
from etl.counties import CountyJob, CountyLoader, load_county
from etl.county import Surroundings, counties_that_reach_out, pending_counties, read_surroundings
from etl.entered import note_entered, note_migrated
from etl.facility_rows import FacilityWriter
from etl.fingerprint import pipeline_fingerprint
from etl.groups import Group, standing_groups
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.resilience import with_retries
from etl.stages.records import Reference
from etl.workers import ALONE, Crew
from facilities.models import Facility

Outcome, State = SourceRecord.Outcome, SourceRecordVersion.State
MANY = 1000  # records, after which the planner should know how many there are


def load_pending(
    *, run: ImportRun, sources: Sequence[str], reference: Reference, batch_size: int, crew: Crew = ALONE
) -> int:
    """Return in how many batches the pending versions of these sources came to stand for a facility, or were refused."""
    with_retries(partial(_note_entered, run))
    waiting = with_retries(SourceRecordVersion.objects.filter(state=State.PENDING).count)
    if waiting > MANY:
        with_retries(refresh_statistics)
    if waiting:
        pair_across_counties(run, reference)
    counties = with_retries(partial(pending_counties, run, sources))
    around = with_retries(read_surroundings)
    loader = CountyLoader(run, sources, reference, batch_size)
    reaching: set[str] = with_retries(counties_that_reach_out) if waiting else set()
    theirs = [] if waiting < settings.ETL_WORTH_WORKERS else _for_workers(counties, reaching, crew)
    done = crew.submit_all(
        _jobs(theirs, run=run, sources=sources, reference=reference, around=around, batch_size=batch_size)
    )
    loader.load([code for code in counties if code not in theirs], around, reaching=reaching)
    batches = loader.batches + sum(done)
    if batches or run.attempt > 1 or with_retries(partial(_follows_unfinished, run)):
        _settle_numbers(run, loader.writer, batch_size)
    return batches


def _for_workers(counties: Mapping[str, int], reaching: AbstractSet[str], crew: Crew) -> list[str]:
    """Return the counties that stand by themselves, the largest first: no facility of theirs has records elsewhere.

    A run that holds a transaction open, as a dry run, works alone: nobody else sees what it staged.
    """
    if crew.is_alone or connection.in_atomic_block:
        return []
    return sorted(counties.keys() - reaching, key=lambda code: (-counties[code], code))


def _jobs(
    codes: Sequence[str],
    *,
    run: ImportRun,
    sources: Sequence[str],
    reference: Reference,
    around: Surroundings,
    batch_size: int,
) -> list[partial[int]]:
    """Return the work of loading these counties, one by one."""
    if not codes:
        return []
    job = partial(
        CountyJob,
        run=run.pk,
        attempt=run.attempt,
        sources=tuple(sources),
        fingerprint=pipeline_fingerprint(reference),
        batch_size=batch_size,
        around=around,
    )
    return [partial(load_county, job(code)) for code in codes]


def _follows_unfinished(run: ImportRun) -> bool:
    """Return whether the run before this one may have left something to settle."""
    before = ImportRun.objects.filter(pk__lt=run.pk).exclude(kind=ImportRun.Kind.REVIEW).first()
    return before is not None and before.status in {ImportRun.Status.INTERRUPTED, ImportRun.Status.FAILED}


def _settle_numbers(run: ImportRun, writer: FacilityWriter, batch_size: int) -> None:
    """Give the registration numbers that nobody holds to who claims them, the smallest facility code first.

    While counties are loaded a number that two places claim is given to neither, and its holder may give one up: what came of it
    must not depend on who was loaded first.
    """
    losers = SourceRecordVersion.objects.filter(findings__contains=CLASH, state=State.LOADED)
    of_losers = losers.filter(source_record__facility__isnull=False)
    # in two statements: joined, a plan made before the tables grew may be quadratic
    ids: set[int] = with_retries(partial(set, of_losers.values_list("source_record__facility", flat=True)))
    rows = Facility.objects.filter(pk__any=ids).order_by("facility_code")
    facilities: list[int] = with_retries(partial(list, rows.values_list("pk", flat=True)))
    for part in batched(facilities, batch_size):
        standing = with_retries(partial(standing_groups, part))
        groups = [standing[pk] for pk in part if pk in standing]
        load_batch(groups, writer=writer, run=run)
        with_retries(partial(_tell_of_clashes, run, groups))


def _tell_of_clashes(run: ImportRun, groups: Sequence[Group]) -> None:
    """Say on the records that claim a number who holds it now; nothing on those whose facility does, which changed by that."""
    claims = {m.row.pk: m.record.registration_number for group in groups for m in group.members}
    held = dict(SourceRecord.objects.filter(pk__in=claims).values_list("pk", "facility__registration_number"))
    holders = Facility.objects.filter(registration_number__in=set(claims.values()))
    holder_of = dict(holders.values_list("registration_number", "facility_code"))
    versions = SourceRecordVersion.objects.filter(
        source_record__in=claims, state=State.LOADED, findings__contains=CLASH
    )
    given = {pk for pk, number in held.items() if number == claims[pk]}
    changed = set(versions.filter(source_record__in=given).values_list("source_record__facility", flat=True))
    of_changed = SourceRecord.objects.filter(facility__any=changed, good_version__loaded_in=run)
    with fenced(run):
        of_changed.filter(last_seen_run=run, outcome=Outcome.UNCHANGED).update(outcome=Outcome.UPDATED)
        for version in versions.only("findings", "source_record"):
            record = version.source_record_id
            others = [finding for finding in version.findings if finding["rule"] != CLASH[0]["rule"]]
            told = others if record in given else [*others, clash_finding(holder_of.get(claims[record]))]
            if told != version.findings:
                version.findings = told
                version.save(update_fields=["findings"])


def _note_entered(run: ImportRun) -> None:
    with fenced(run):
        note_entered(run)
        note_migrated(run)
