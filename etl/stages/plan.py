"""What a golden record changes in the rows that stand: create, update or leave, field by field, old -> new."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from etl.stages.records import Accuracy, FacilityRecord
from facilities.pin_targets import POSITION, contact_target, service_target

FIELDS = (
    "registration_number", "name", "facility_type", "county_code", "constituency_code", "ward_code", "town", "address",
    "level", "ownership", "opening_hours", "website", "status", "has_gender_desk",
)  # fmt: skip


class Action(StrEnum):
    """What becomes of a facility's rows."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PlannedPosition:
    """A position as its row holds it: sealed for a confidential place."""

    latitude: Decimal
    longitude: Decimal
    accuracy: Accuracy
    is_sealed: bool


@dataclass(frozen=True, slots=True, order=True)
class ContactKey:
    """A contact by its type and blind index, so that planning opens no sealed value."""

    type: str
    index: str


@dataclass(frozen=True, slots=True)
class FacilityState:
    """A facility with its children, as it stands in the database or as it should.

    `fields` holds FIELDS plus is_confidential and is_active; `contacts` says which is primary in its type;
    `unreadable` names what no key opens ("address", "position"): it is left as it is.
    """

    fields: Mapping[str, object]
    contacts: Mapping[ContactKey, bool] = field(default_factory=dict)
    services: frozenset[str] = frozenset()
    position: PlannedPosition | None = None
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What to write for one facility. `fields`: name -> (old, new). Children: what to set and what to take away.

    `pins_kept` are the pins whose sources say something else.
    """

    facility_code: str
    action: Action
    target: FacilityState
    fields: Mapping[str, tuple[object, object]]
    contacts_to_set: Mapping[ContactKey, bool]
    contacts_to_remove: frozenset[ContactKey]
    services_to_add: frozenset[str]
    services_to_remove: frozenset[str]
    position_changed: bool
    pins_kept: frozenset[str]


def plan_change(
    golden: FacilityRecord,
    *,
    code: str,
    existing: FacilityState | None,
    index_of: Callable[[str], str],
    pins: AbstractSet[str] = frozenset(),
    reactivates: bool = False,
) -> Change:
    """Return the change that makes the rows say what the golden record says.

    `pins` are what a person set (see facilities.models.Pin): it stays as it is. is_confidential is never lowered, nor raised
    where two people lowered it, and a
    facility out of service stays out, unless it `reactivates` because a source lists it again.
    """
    wanted = target_state(golden, existing=existing, index_of=index_of, reactivates=reactivates)
    target = _with_pins(wanted, existing, pins) if existing else wanted
    if existing is None:
        fields: dict[str, tuple[object, object]] = {name: (None, value) for name, value in target.fields.items()}
        return Change(
            code, Action.CREATE, target, fields, target.contacts, frozenset(), target.services, frozenset(),
            position_changed=target.position is not None, pins_kept=frozenset(),
        )  # fmt: skip
    fields = {
        name: (existing.fields[name], value)
        for name, value in target.fields.items()
        if existing.fields[name] != value and name not in existing.unreadable
    }
    contacts_to_set = {c: primary for c, primary in target.contacts.items() if existing.contacts.get(c) != primary}
    contacts_to_remove = frozenset(existing.contacts.keys() - target.contacts.keys())
    services_to_add, services_to_remove = target.services - existing.services, existing.services - target.services
    position_changed = existing.position != target.position and "position" not in existing.unreadable
    children_change = (contacts_to_set, contacts_to_remove, services_to_add, services_to_remove, position_changed)
    action = Action.UPDATE if fields or any(children_change) else Action.KEEP
    return Change(
        code, action, target, fields, contacts_to_set, contacts_to_remove, services_to_add, services_to_remove,
        position_changed, _kept(wanted, target, pins),
    )  # fmt: skip


def target_state(
    golden: FacilityRecord,
    *,
    existing: FacilityState | None,
    index_of: Callable[[str], str],
    reactivates: bool = False,
) -> FacilityState:
    """Return the rows that a golden record asks for; the first contact of each type is the primary one."""
    is_confidential = golden.is_confidential or bool(existing and existing.fields["is_confidential"])
    fields = {name: getattr(golden, name) for name in FIELDS}
    fields |= {
        "is_confidential": is_confidential,
        "is_active": reactivates or (golden.is_active if existing is None else existing.fields["is_active"]),
    }
    primary_types = set(golden.unmarked)
    contacts: dict[ContactKey, bool] = {}
    for contact in golden.contacts:
        contacts[ContactKey(contact.type, index_of(contact.value))] = contact.type not in primary_types
        primary_types.add(contact.type)
    found = golden.position
    position = PlannedPosition(found.latitude, found.longitude, found.accuracy, is_confidential) if found else None
    return FacilityState(fields=fields, contacts=contacts, services=frozenset(golden.services), position=position)


PLACE = (
    "county_code",
    "constituency_code",
    "ward_code",
)  # pinned together: one of them makes no sense without the others


def _with_pins(wanted: FacilityState, existing: FacilityState, pins: AbstractSet[str]) -> FacilityState:
    """Return the wanted rows, with what is pinned as it stands: values, children that are there, children that are not."""
    if not pins:
        return wanted
    every_contact = wanted.contacts.keys() | existing.contacts.keys()
    pinned_contacts = {key for key in every_contact if contact_target(key.type, key.index) in pins}
    kept = {key: primary for key, primary in existing.contacts.items() if key in pinned_contacts}
    taken = {key.type for key, primary in kept.items() if primary}  # one primary contact of each type
    free = [key for key in wanted.contacts if key not in pinned_contacts]
    first: dict[str, ContactKey] = {}
    for key in free:
        first.setdefault(key.type, key)
    contacts = {key: key.type not in taken and first[key.type] == key for key in free} | kept
    position = wanted.position
    if POSITION in pins:  # pinned where it is; a place that became confidential hides it all the same
        position = existing.position
    pinned_services = {code for code in wanted.services | existing.services if service_target(code) in pins}
    fields = {name: existing.fields[name] if name in pins else value for name, value in wanted.fields.items()}
    is_sealed = bool(fields["is_confidential"])
    return replace(
        wanted,
        fields=fields,
        contacts=contacts,
        services=(wanted.services - pinned_services) | (existing.services & pinned_services),
        position=position and replace(position, is_sealed=is_sealed),
    )


def _kept(wanted: FacilityState, target: FacilityState, pins: AbstractSet[str]) -> frozenset[str]:
    """Return the pins that held a source's word off."""
    differing = {name for name, value in wanted.fields.items() if target.fields[name] != value}
    differing |= {contact_target(key.type, key.index) for key in wanted.contacts.keys() ^ target.contacts.keys()}
    differing |= {service_target(code) for code in wanted.services ^ target.services}
    differing |= {POSITION} if wanted.position != target.position else set()
    return frozenset(differing & pins)
