"""Pass 2: match county by county, fold golden records, plan, upsert in batches together with their ledger rows."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import batched
from time import perf_counter

import structlog

from core.statistics import refresh_statistics
from etl.across_counties import pair_across_counties
from etl.batch import CLASH, clash_finding, load_batch, new_writer
from etl.entered import note_entered
from etl.facility_rows import FacilityWriter
from etl.groups import Group, Surroundings, county_groups, pending_counties, read_surroundings, standing_groups
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.resilience import with_retries
from etl.stages.records import Reference
from facilities.models import Facility

log = structlog.get_logger(__name__)
State = SourceRecordVersion.State
MANY = 1000  # records, after which the planner should know how many there are
REFRESHED_AFTER = {20, 200, 2000, 20_000}  # batches: whenever the tables are ten times what the planner knows


def load_pending(*, run: ImportRun, sources: Sequence[str], reference: Reference, batch_size: int) -> int:
    """Return in how many batches the pending versions of these sources came to stand for a facility, or were refused."""
    with_retries(partial(_note_entered, run))
    waiting = with_retries(SourceRecordVersion.objects.filter(state=State.PENDING).count)
    if waiting > MANY:
        with_retries(refresh_statistics)
    if waiting:
        pair_across_counties(run, reference)
    codes = with_retries(partial(pending_counties, run, sources))
    loader = CountyLoader(run, sources, reference, with_retries(read_surroundings), batch_size)
    loader.load(codes)
    if loader.batches or run.attempt > 1 or with_retries(partial(_follows_unfinished, run)):
        _settle_numbers(run, loader.writer, batch_size)
    return loader.batches


class CountyLoader:
    """Loads what waits in counties, batch by batch; batches fill across the counties that it is given at once."""

    def __init__(
        self, run: ImportRun, sources: Sequence[str], reference: Reference, around: Surroundings, batch_size: int
    ) -> None:
        self.writer = new_writer(run)
        self.batches = 0
        self._run, self._sources, self._reference, self._around = run, sources, reference, around
        self._batch_size = batch_size

    def load(self, codes: Sequence[str]) -> None:
        """Load what waits in these counties, in this order."""
        for groups in _in_batches(self._groups(codes), self._batch_size):
            started = perf_counter()
            load_batch(groups, writer=self.writer, run=self._run)
            self.batches += 1
            if self.batches in REFRESHED_AFTER:
                with_retries(refresh_statistics)
            log.info("batch loaded", batch=self.batches, size=len(groups), seconds=round(perf_counter() - started, 3))

    def _groups(self, codes: Sequence[str]) -> Iterator[Group]:
        settled: set[int] = set()  # records that a county before this one loaded
        for code in codes:
            groups = county_groups(
                code,
                run=self._run,
                sources=self._sources,
                reference=self._reference,
                around=self._around,
                settled=settled,
            )
            for group in groups:
                settled.update(member.row.pk for member in group.pending)
                yield group


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
    rows = Facility.objects.filter(pk__in=of_losers.values("source_record__facility")).order_by("facility_code")
    facilities: list[int] = with_retries(partial(list, rows.values_list("pk", flat=True)))
    for part in batched(facilities, batch_size):
        standing = with_retries(partial(standing_groups, part))
        groups = [standing[pk] for pk in part if pk in standing]
        load_batch(groups, writer=writer, run=run)
        with_retries(partial(_tell_of_clashes, run, groups))


def _tell_of_clashes(run: ImportRun, groups: Sequence[Group]) -> None:
    """Say on the records that claim a number who holds it now; nothing on those whose facility does."""
    claims = {m.row.pk: m.record.registration_number for group in groups for m in group.members}
    held = dict(SourceRecord.objects.filter(pk__in=claims).values_list("pk", "facility__registration_number"))
    holders = Facility.objects.filter(registration_number__in=set(claims.values()))
    holder_of = dict(holders.values_list("registration_number", "facility_code"))
    versions = SourceRecordVersion.objects.filter(
        source_record__in=claims, state=State.LOADED, findings__contains=CLASH
    )
    with fenced(run):
        for version in versions.only("findings", "source_record"):
            number = claims[version.source_record_id]
            others = [finding for finding in version.findings if finding["rule"] != CLASH[0]["rule"]]
            is_held = held[version.source_record_id] == number
            told = others if is_held else [*others, clash_finding(holder_of.get(number))]
            if told != version.findings:
                version.findings = told
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
