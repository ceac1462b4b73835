"""Pass 2: match county by county, fold golden records, plan, upsert in batches together with their ledger rows."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import batched
from time import perf_counter

import structlog

from core.statistics import refresh_statistics
from etl.across_counties import pair_across_counties
from etl.batch import CLASH, load_batch, new_writer
from etl.entered import note_entered
from etl.facility_rows import FacilityWriter
from etl.groups import Group, pending_groups, standing_groups
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.resilience import with_retries
from etl.stages.records import Reference

log = structlog.get_logger(__name__)
State = SourceRecordVersion.State
MANY = 1000  # records, after which the planner should know how many there are
REFRESHED_AFTER = {20, 200, 2000, 20_000}  # batches: whenever the tables are ten times what the planner knows


def load_pending(*, run: ImportRun, sources: Sequence[str], reference: Reference, batch_size: int) -> int:
    """Return in how many batches the pending versions of these sources came to stand for a facility, or were refused."""
    batches = 0
    writer = new_writer(run)
    with_retries(partial(_note_entered, run))
    waiting = with_retries(SourceRecordVersion.objects.filter(state=State.PENDING).count)
    if waiting > MANY:
        with_retries(refresh_statistics)
    if waiting:
        pair_across_counties(run, reference)
    for groups in _in_batches(pending_groups(run, sources, reference), batch_size):
        started = perf_counter()
        load_batch(groups, writer=writer, run=run)
        batches += 1
        if batches in REFRESHED_AFTER:
            with_retries(refresh_statistics)
        log.info("batch loaded", batch=batches, size=len(groups), seconds=round(perf_counter() - started, 3))
    if batches or run.attempt > 1 or with_retries(partial(_follows_unfinished, run)):
        _settle_numbers(run, writer, batch_size)
    return batches


def _follows_unfinished(run: ImportRun) -> bool:
    """Return whether the run before this one may have left something to settle."""
    before = ImportRun.objects.filter(pk__lt=run.pk).exclude(kind=ImportRun.Kind.REVIEW).first()
    return before is not None and before.status in {ImportRun.Status.INTERRUPTED, ImportRun.Status.FAILED}


def _settle_numbers(run: ImportRun, writer: FacilityWriter, batch_size: int) -> None:
    """Let who lost a registration number try again: its holder may have given it up in a later batch."""
    losers = SourceRecordVersion.objects.filter(findings__contains=CLASH, state=State.LOADED)
    of_losers = losers.filter(source_record__facility__isnull=False).values_list("source_record__facility", flat=True)
    facilities: list[int] = with_retries(partial(list, of_losers.order_by("source_record__facility").distinct()))
    for part in batched(facilities, batch_size):
        groups = list(with_retries(partial(standing_groups, part)).values())
        load_batch(groups, writer=writer, run=run)
        with_retries(partial(_forget_settled_clashes, run, groups))


def _forget_settled_clashes(run: ImportRun, groups: Sequence[Group]) -> None:
    """Take the finding off the records whose facility got the number that they claim."""
    claims = {m.row.pk: m.record.registration_number for group in groups for m in group.members}
    held = SourceRecord.objects.filter(pk__in=claims).values_list("pk", "facility__registration_number")
    settled = [pk for pk, number in held if number == claims[pk]]
    versions = SourceRecordVersion.objects.filter(
        source_record__in=settled, state=State.LOADED, findings__contains=CLASH
    )
    with fenced(run):
        for version in versions.only("findings"):
            version.findings = [f for f in version.findings if f["rule"] != CLASH[0]["rule"]]
            version.save(update_fields=["findings"])


def _note_entered(run: ImportRun) -> None:
    with fenced(run):
        note_entered(run)


def _in_batches(groups: Iterator[Group], size: int) -> Iterator[list[Group]]:
    """Yield the groups in batches; a facility that comes again waits for the next batch, so that none is written twice."""
    batch: list[Group] = []
    for group in groups:
        is_again = group.facility_id is not None and group.facility_id in {other.facility_id for other in batch}
        if len(batch) == size or is_again:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch
