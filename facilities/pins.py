"""What a person sets in admin is pinned: imports keep it."""

from collections.abc import Iterable, Sequence
from typing import Any

from core.models import User
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService, Pin
from facilities.pin_targets import POSITION, contact_target, service_target

# is_confidential has rules of its own: imports may raise it, and never lower it
NEVER_PINNED = frozenset({"is_confidential"})


def pin_edits(facility: Facility, *, form: Any, formsets: Iterable[Any], user: User) -> None:
    """Pin the columns that a form changed and the children that were added, changed or taken away beside it."""
    targets = {name for name in form.changed_data if name not in NEVER_PINNED}
    for formset in formsets:
        objects = [*formset.new_objects, *(row for row, _ in formset.changed_objects), *formset.deleted_objects]
        targets.update(target for row in objects if (target := _target_of(row)))
        targets.update(_targets_before(formset))
    pin(facility, targets, user=user)


def pin(facility: Facility, targets: Iterable[str], *, user: User | None) -> None:
    """Pin targets on a facility; who pinned one first stays named, and what came with a merged facility is its own now."""
    rows: Sequence[Pin] = [Pin(facility=facility, target=target, pinned_by=user) for target in sorted(targets)]
    Pin.objects.bulk_create(rows, ignore_conflicts=True)
    came = Pin.objects.filter(facility=facility, target__in=[row.target for row in rows], came_with__isnull=False)
    came.update(came_with=None)


def _target_of(row: object) -> str:
    if isinstance(row, FacilityContact):
        return contact_target(row.contact_type.code, row.value_index)
    if isinstance(row, FacilityService):
        return service_target(row.service_category.code)
    return POSITION if isinstance(row, FacilityCoordinate) else ""


def _targets_before(formset: Any) -> Iterable[str]:
    """Yield what a changed child was before: a corrected number must not come back beside its correction."""
    for row, changed in formset.changed_objects:
        before = next(form for form in formset.initial_forms if form.instance.pk == row.pk).initial
        if isinstance(row, FacilityContact) and {"contact_value", "contact_type"} & set(changed):
            kind = type(row.contact_type).objects.get(pk=before["contact_type"])
            yield contact_target(kind.code, FacilityContact.index_of(str(before["contact_value"])))
        if isinstance(row, FacilityService) and "service_category" in changed:
            kind_of_service = type(row.service_category).objects.get(pk=before["service_category"])
            yield service_target(kind_of_service.code)
