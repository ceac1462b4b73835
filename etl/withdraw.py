"""--deactivate-missing: records that their source lists no more stop standing for their facility."""

from collections.abc import Sequence
from functools import partial
from itertools import batched

import structlog
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from etl.batch import load_batch, new_writer
from etl.groups import Group, standing_groups
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord
from etl.resilience import with_retries
from etl.sources import REPEATING
from facilities.models import Facility

log = structlog.get_logger(__name__)


def withdraw_missing(run: ImportRun, *, sources: Sequence[str], batch_size: int) -> int:
    """Return how many facilities went out of service because no record stands for them any more.

    A facility that another record still stands for is folded again without the missing one. What a person pinned in
    service stays in service.
    """
    writer = new_writer(run)
    deactivated = 0
    for facilities in batched(with_retries(partial(_facilities_of_missing, run, sources)), batch_size):
        with_retries(partial(_mark_withdrawn, run, facilities, sources))
        groups = with_retries(partial(_listed_groups, facilities))
        load_batch(list(groups.values()), writer=writer, run=run)
        deactivated += with_retries(partial(_deactivate, run, set(facilities) - groups.keys()))
    return deactivated


def _listed_groups(facilities: Sequence[int]) -> dict[int, Group]:
    """Return the group of each facility that is still listed; what only repeats a registry's word lists nothing."""
    groups = standing_groups(facilities)
    repeated = [pk for pk, group in groups.items() if all(member.is_repeating for member in group.members)]
    dropped = SourceRecord.objects.filter(facility__in=repeated, withdrawn_in__isnull=False).exclude(
        source__in=REPEATING
    )
    gone = set(dropped.values_list("facility", flat=True))
    return {pk: group for pk, group in groups.items() if pk not in gone}


def count_doubtful(run: ImportRun, *, sources: Sequence[str]) -> int:
    """Return how many missing records may be listed after all: as a reject, which came when they went, of unknown identity."""
    return _missing(sources).filter(withdrawn_in__isnull=True).count() - _certain(run, sources).count()


def _missing(sources: Sequence[str]) -> QuerySet[SourceRecord]:
    return SourceRecord.objects.filter(source__in=sources, missing_since__isnull=False, facility__isnull=False)


def _certain(run: ImportRun, sources: Sequence[str]) -> QuerySet[SourceRecord]:
    """Return the missing records that no reject can be: none of their source's came as late as they went."""
    never_loaded = SourceRecord.objects.filter(
        source=OuterRef("source"), last_seen_run=run, outcome="rejected", good_version__isnull=True,
        first_seen_run__gte=OuterRef("missing_since"),
    )  # fmt: skip
    return _missing(sources).filter(withdrawn_in__isnull=True).exclude(Exists(never_loaded))


def _facilities_of_missing(run: ImportRun, sources: Sequence[str]) -> list[int]:
    """Return the facilities that a missing record of these sources stands for, and is not yet withdrawn from."""
    listed = SourceRecord.objects.exclude(source__in=REPEATING)
    standing = listed.filter(facility=OuterRef("facility"), withdrawn_in__isnull=True)
    # a run that was interrupted after withdrawing them left these in service
    unfinished = (
        _missing(sources).filter(withdrawn_in__isnull=False, facility__is_active=True).exclude(Exists(standing))
    )
    ids = {*_certain(run, sources).values_list("facility", flat=True), *unfinished.values_list("facility", flat=True)}
    return sorted(pk for pk in ids if pk is not None)


def _mark_withdrawn(run: ImportRun, facilities: Sequence[int], sources: Sequence[str]) -> None:
    with fenced(run):
        _certain(run, sources).filter(facility__in=facilities).update(withdrawn_in=run)


def _deactivate(run: ImportRun, facilities: set[int]) -> int:
    with fenced(run):
        gone = Facility.objects.filter(pk__in=facilities, is_active=True).exclude(pins__target="is_active")
        count = gone.update(is_active=False, updated_by=run.started_by, updated_at=timezone.now())
    log.info("facilities deactivated", size=count)
    return count
