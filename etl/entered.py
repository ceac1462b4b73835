"""Facilities that a person entered: each has a source record, too, so that matching, merging and review treat all alike.

Such a record holds nothing itself. It says what is pinned on its facility; whoever entered a facility pinned all of it.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from core.crypto import Unreadable
from etl.entries import private_contact_indexes
from etl.facility_rows import column_of, existing_state, planned_targets
from etl.models import ImportRun, SourceRecord
from etl.record_rows import RecordRow
from etl.sources import ENTERED, EXPORTED, MIGRATED
from etl.stages.merge import PLACE
from etl.stages.plan import FIELDS
from etl.stages.records import Contact, FacilityRecord, Position
from facilities.models import Facility
from facilities.pin_targets import POSITION, contact_target, service_target
from facilities.pins import pin


def note_entered(run: ImportRun) -> None:
    """Give every facility that no source record stands for one of its own, and refresh by what matching finds them.

    All that such a facility says is pinned.
    """
    # a record of an export stands for its facility before it is loaded
    waiting = Q(source=EXPORTED, good_version__isnull=True)
    standing = Exists(SourceRecord.objects.filter(~waiting, facility=OuterRef("pk")))
    new = list(Facility.objects.filter(~standing).with_details().select_related("created_by"))
    pin_entered(new)
    SourceRecord.objects.bulk_create(
        [
            SourceRecord(
                source=ENTERED, key=f"id:{facility.facility_code}", name_hash="", facility=facility, outcome="created",
                first_seen_run=run, last_seen_run=run,
            )
            for facility in new
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    rows = {row.pk: row for row in SourceRecord.objects.filter(source=ENTERED)}
    changed = []
    for pk, (record, _) in say_entered(list(rows.values())).items():
        row = rows[pk]
        found_by = record.county_code, private_contact_indexes(record)
        if (row.county_code, row.contact_indexes) != found_by:
            row.county_code, row.contact_indexes = found_by
            changed.append(row)
    SourceRecord.objects.bulk_update(changed, ["county_code", "contact_indexes"], batch_size=500)


def note_migrated(run: ImportRun) -> None:
    """Let this run be the one that matches what a migration brought since the last one; no later run sees it again."""
    brought = SourceRecord.objects.filter(source=MIGRATED, last_seen_run=F("first_seen_run"))
    brought.update(last_seen_run=run, outcome=SourceRecord.Outcome.UNCHANGED)


def pin_entered(facilities: Iterable[Facility]) -> None:
    """Pin all that facilities say, which only persons entered."""
    for facility in facilities:
        pin(facility, _everything(facility), user=facility.created_by)


def only_entered(facilities: Collection[int]) -> QuerySet[Facility]:
    """Return those of the facilities that no record of a source stands for."""
    sourced = Exists(SourceRecord.objects.filter(facility=OuterRef("pk")).exclude(source=ENTERED))
    return Facility.objects.filter(~sourced, pk__in=facilities).with_details().select_related("created_by")


def say_entered(rows: Sequence[SourceRecord | RecordRow]) -> dict[int, tuple[FacilityRecord, frozenset[str]]]:
    """Return what each record of an entered facility says: what is pinned there, or came along when it was merged.

    Beside it stand the fields ("name", "place") that nobody pinned: a facility cannot be without them.
    """
    facilities = Facility.objects.with_details().prefetch_related("pins").in_bulk([row.facility_id for row in rows])
    return {row.pk: _say(row, facilities[row.facility_id]) for row in rows if row.facility_id}


def _everything(facility: Facility) -> set[str]:
    """Return the targets of all that a facility says."""
    said = existing_state(facility).fields
    targets = {column_of(name) for name in FIELDS if said[name] not in (None, "")}
    targets |= {contact_target(c.contact_type.code, c.value_index) for c in facility.contacts.all()}
    targets |= {service_target(service.service_category.code) for service in facility.services.all()}
    return targets | ({POSITION} if hasattr(facility, "coordinate") else set())


def _say(row: SourceRecord | RecordRow, facility: Facility) -> tuple[FacilityRecord, frozenset[str]]:
    """Return what a person entered; whether the place is confidential is the facility's own word, which no record lowers."""
    pinned = planned_targets(pin for pin in facility.pins.all() if pin.came_with_id == row.home_id)
    state = existing_state(facility)
    said = (pinned | {"name", "county_code"}) - state.unreadable
    fields: dict[str, Any] = {name: state.fields[name] for name in FIELDS if name in said}
    position = state.position if POSITION in pinned else None
    readable = [c for c in facility.contacts.all() if not isinstance(c.contact_value, Unreadable)]
    record = FacilityRecord(
        source=row.source,
        key=row.key,
        facility_code=row.key.removeprefix("id:"),
        **{"facility_type": ""} | fields,
        position=Position(position.latitude, position.longitude, position.accuracy) if position else None,
        contacts=tuple(
            Contact(c.contact_type.code, str(c.contact_value))
            for c in readable
            if contact_target(c.contact_type.code, c.value_index) in pinned
        ),
        services=tuple(
            code
            for code in sorted(s.service_category.code for s in facility.services.all() if s.is_active)
            if service_target(code) in pinned
        ),
    )
    unpinned = {"name": "name", "county_code": PLACE}
    return record, frozenset(field for column, field in unpinned.items() if column not in pinned)
