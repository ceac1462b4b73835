"""--deactivate-missing: records that their source lists no more stop standing for their facility."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import batched

import structlog
from django.utils import timezone

from etl.load import Group, load_batch, new_writer, standing_members
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord
from etl.resilience import persist
from facilities.models import Facility

log = structlog.get_logger(__name__)


def withdraw_missing(run: ImportRun, *, sources: Sequence[str], batch_size: int) -> int:
    """Return how many facilities went out of service because no record stands for them any more.

    A facility that another record still stands for is folded again without the missing one. What a person pinned in
    service stays in service.
    """
    writer = new_writer(run)
    deactivated = 0
    for facilities in batched(persist(partial(_facilities_of_missing, sources)), batch_size):
        persist(partial(_mark_withdrawn, run, facilities, sources))
        groups = persist(partial(_groups_left, facilities))
        load_batch(list(groups.values()), writer=writer, run=run)
        deactivated += persist(partial(_deactivate, run, set(facilities) - groups.keys()))
    return deactivated


def _facilities_of_missing(sources: Sequence[str]) -> list[int]:
    """Return the facilities that a missing record of these sources stands for, and is not yet withdrawn from."""
    missing = SourceRecord.objects.filter(source__in=sources, missing_since__isnull=False, facility__isnull=False)
    waiting = missing.filter(withdrawn_in__isnull=True).order_by("facility")
    # and what a run that was interrupted after withdrawing them left in service
    unfinished = missing.filter(withdrawn_in__isnull=False, facility__is_active=True).order_by("facility")
    ids = {*waiting.values_list("facility", flat=True), *unfinished.values_list("facility", flat=True)}
    return sorted(pk for pk in ids if pk is not None)


def _mark_withdrawn(run: ImportRun, facilities: Sequence[int], sources: Sequence[str]) -> None:
    with fenced(run):
        SourceRecord.objects.filter(
            facility__in=facilities, source__in=sources, missing_since__isnull=False, withdrawn_in__isnull=True
        ).update(withdrawn_in=run)


def _groups_left(facilities: Sequence[int]) -> dict[int, Group]:
    """Return, for each facility that a record still stands for, the records to fold it from."""
    members = defaultdict(list)
    for member in standing_members(facilities):
        members[member.row.facility_id].append(member)
    return {facility: Group(tuple(left), facility) for facility, left in members.items() if facility is not None}


def _deactivate(run: ImportRun, facilities: set[int]) -> int:
    with fenced(run):
        gone = Facility.objects.filter(pk__in=facilities, is_active=True).exclude(pins__target="is_active")
        count = gone.update(is_active=False, updated_by=run.started_by, updated_at=timezone.now())
    log.info("facilities deactivated", size=count)
    return count
