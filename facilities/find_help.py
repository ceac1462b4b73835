"""The nearest places in service that state a service, those first that somebody has reached: what the registry is for.

Confidential places are in no answer. How many of them a county has is said, "fewer than 5" below five, and nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import FloatField, Max, Q
from django.db.models.functions import Cast

from core.short_codes import SHORT_CODES
from facilities.export import FEWEST_COUNTED, TOO_FEW
from facilities.models import Facility, FacilityContact, FacilityCoordinate, FacilityService
from facilities.nearness import Candidate, Freshness, Point, distance_text, last_needed, middle_of, rank_of
from facilities.queries import FacilityQuerySet
from facilities.shown_contacts import ShownContact, best_first, show
from facilities.verifying import stale_before
from geography.distance import distance_km
from geography.models import Constituency, County, Ward
from geography.places import Place

DEFAULT_LIMIT, MOST = 10, 50
CALL_FIRST = "status not known: call first"
ASK_FIRST = "status not known, and no contact: ask a help line or another place before sending anybody"
EXACT = FacilityCoordinate.Accuracy.EXACT


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: codes of services, all of which a place must state, and a place or a point."""

    services: tuple[str, ...]
    place: Place | None = None
    point: Point | None = None
    limit: int = DEFAULT_LIMIT

    @property
    def around(self) -> tuple[Place, ...]:
        """The place with those that it lies in, from near to far."""
        if isinstance(self.place, Ward):
            return self.place, self.place.constituency, self.place.constituency.county
        if isinstance(self.place, Constituency):
            return self.place, self.place.county
        return (self.place,) if self.place else ()


@dataclass(frozen=True, slots=True)
class Hotline:
    """A national help line."""

    number: str
    answers: str


NATIONAL_LINES = tuple(Hotline(number, SHORT_CODES[number]) for number in ("1195", "999", "112", "116", "1199"))


@dataclass(frozen=True, slots=True)
class Found:
    """One place, as a person may see it; `distance` is in words, "" where none is known."""

    pk: int
    code: str
    name: str
    type: str
    place: str
    distance_km: float | None
    distance: str
    remark: str
    opening_hours: str
    services: tuple[str, ...]
    has_gender_desk: bool | None
    contacts: tuple[ShownContact, ...]

    @property
    def verified(self) -> str:
        """When a contact of the place was verified last, by whom and how; "never" where none was."""
        return self.contacts[0].verified if self.contacts else "never"


@dataclass(frozen=True, slots=True)
class Answer:
    """Places, the best first, and what is to be said beside them."""

    places: tuple[Found, ...]
    confidential: str
    remarks: tuple[str, ...]
    hotlines: tuple[Hotline, ...] = NATIONAL_LINES

    @property
    def personal(self) -> int:
        """How many of the contacts reach a person."""
        return sum(contact.is_personal for place in self.places for contact in place.contacts)


def find_help(wanted: Wanted, *, whole: bool, now: datetime | None = None) -> Answer:
    """Return the nearest places that state what is wanted; `whole`: for who may see what is personal. Ten queries at most."""
    origin = _origin(wanted)
    candidates = _candidates(wanted, origin.point, stale_before(now))
    return Answer(
        places=tuple(_load(candidates, origin, whole=whole)),
        confidential=_confidential(wanted),
        remarks=tuple(_remarks(wanted, origin, candidates)),
    )


# where from


class _Origin(NamedTuple):
    """Where distances are measured from: a point, or the middle of what is known of a place."""

    point: Point | None
    of: Place | None = None


def _origin(wanted: Wanted) -> _Origin:
    """Return the point that was given, or the middle of the nearest place around of which open positions are known."""
    if wanted.point or not wanted.around:
        return _Origin(wanted.point)
    known = FacilityCoordinate.objects.filter(
        latitude__isnull=False,
        facility__county=wanted.around[-1].pk,
        facility__is_confidential=False,
        facility__is_active=True,
    )
    rows = known.values_list("latitude", "longitude", *(f"facility__{_column(place)}" for place in wanted.around))
    positions = [((float(latitude), float(longitude)), lies_in) for latitude, longitude, *lies_in in rows]
    for number, place in enumerate(wanted.around):
        if middle := middle_of([point for point, lies_in in positions if lies_in[number] == place.pk]):
            return _Origin(middle, place)
    return _Origin(None)


def _column(place: Place) -> str:
    return f"{type(place).__name__.lower()}_id"


# which places


def _in_service(services: Sequence[str]) -> FacilityQuerySet:
    """Return the places that state every one of these services and are open as far as is known."""
    places = Facility.objects.active().filter(
        Q(operational_status__isnull=True) | Q(operational_status__code="operational")
    )
    for code in services:
        stated = FacilityService.objects.filter(service_category__code=code, is_active=True)
        places = places.filter(pk__in=stated.values("facility"))
    return places


def _candidates(wanted: Wanted, origin: Point | None, fresh_since: datetime) -> list[Candidate]:
    """Return the first candidates, the best first; who was reached is read of those only that may be among them."""
    found = [(candidate.band, candidate) for candidate in _everywhere(wanted, origin)]
    last = last_needed((band for band, _ in found), limit=wanted.limit)
    near = [candidate for band, candidate in found if band <= last]
    contacts = FacilityContact.objects.filter(verified_at__isnull=False, facility__any=[each.pk for each in near])
    verified_at = dict(contacts.order_by().values_list("facility").annotate(Max("verified_at")))
    told = (each._replace(freshness=_freshness(verified_at.get(each.pk), fresh_since)) for each in near)
    return sorted(told, key=rank_of)[: wanted.limit]


def _everywhere(wanted: Wanted, origin: Point | None) -> Iterator[Candidate]:
    around = () if wanted.point else wanted.around
    places = _in_service(wanted.services).filter(is_confidential=False).order_by()
    rows = places.values_list("pk", "facility_name", *_degrees(), "coordinate__accuracy_level", *_WITHIN)
    middles = _middles() if origin else {}
    for pk, name, latitude, longitude, accuracy, *within in rows:
        lies_in = dict(zip(_WITHIN, within, strict=True))
        level = next((n for n, place in enumerate(around) if lies_in[_column(place)] == place.pk), len(around))
        if around and origin is None and level == len(around):
            continue  # elsewhere, and nothing says how far
        own = None if latitude is None else (latitude, longitude)
        here, unit = (own, "") if own else _nearest_middle(lies_in, middles)
        yield Candidate(
            pk,
            name,
            level,
            distance_km(origin, here) if origin and here else None,
            is_about=not wanted.point or accuracy != EXACT or bool(unit),
            is_inside=bool(around) and level == 0,
            middle_of=unit,
        )


_WITHIN = ("ward_id", "constituency_id", "county_id")


def _degrees() -> tuple[Cast, ...]:
    return tuple(Cast(f"coordinate__{name}", FloatField()) for name in ("latitude", "longitude"))


def _middles() -> dict[tuple[str, int], Point]:
    """Return the middle of the open positions that are known in each ward, constituency and county."""
    known = Facility.objects.active().filter(is_confidential=False, coordinate__latitude__isnull=False).order_by()
    points: dict[tuple[str, int], list[Point]] = {}
    for latitude, longitude, *within in known.values_list(*_degrees(), *_WITHIN):
        for column, pk in zip(_WITHIN, within, strict=True):
            if pk is not None:
                points.setdefault((column, pk), []).append((latitude, longitude))
    return {place: middle for place, here in points.items() if (middle := middle_of(here))}


def _nearest_middle(
    lies_in: Mapping[str, int | None], middles: Mapping[tuple[str, int], Point]
) -> tuple[Point | None, str]:
    """Return the middle of the smallest place that a facility lies in and of which one is known, and what that place is."""
    for column, pk in lies_in.items():
        if pk is not None and (middle := middles.get((column, pk))):
            return middle, column.removesuffix("_id")
    return None, ""


def _freshness(verified_at: datetime | None, fresh_since: datetime) -> Freshness:
    if verified_at is None:
        return Freshness.NEVER
    return Freshness.FRESH if verified_at >= fresh_since else Freshness.STALE


# what is said of them


def _load(candidates: Sequence[Candidate], origin: _Origin, *, whole: bool) -> Iterator[Found]:
    """Yield the few that were chosen, with their details; one that was hidden or closed meanwhile is left out."""
    chosen = Facility.objects.active().filter(is_confidential=False, pk__in=[candidate.pk for candidate in candidates])
    detailed = chosen.with_details().prefetch_related("contacts__verified_by")
    facilities = {facility.pk: facility for facility in detailed}
    for candidate in candidates:
        if facility := facilities.get(candidate.pk):
            yield _found(facility, candidate, origin, whole=whole)


def _found(facility: Facility, candidate: Candidate, origin: _Origin, *, whole: bool) -> Found:
    parts = (facility.town, facility.ward, facility.constituency, facility.county)
    words = "" if candidate.is_inside else distance_text(candidate.distance, is_about=candidate.is_about)
    if words and origin.of:
        words = f"{words} from the middle of {origin.of}"
    if words and candidate.middle_of:
        words = f"{words} to the middle of {getattr(facility, candidate.middle_of)}: where in it, is not known"
    return Found(
        pk=facility.pk,
        code=facility.facility_code,
        name=facility.facility_name,
        type=str(facility.facility_type or ""),
        place=", ".join(dict.fromkeys(str(part) for part in parts if part)),
        distance_km=_kilometres(candidate),
        distance=words,
        remark=_remark(facility),
        opening_hours=facility.opening_hours,
        services=tuple(sorted(str(s.service_category) for s in facility.services.all() if s.is_active)),
        has_gender_desk=facility.has_gender_desk,
        contacts=tuple(show(contact, whole=whole) for contact in best_first(facility.contacts.all())),
    )


def _remark(facility: Facility) -> str:
    if facility.operational_status_id:
        return ""
    return CALL_FIRST if facility.contacts.all() else ASK_FIRST


def _kilometres(candidate: Candidate) -> float | None:
    """Return a distance no finer than it is known."""
    if candidate.is_inside or candidate.distance is None:
        return None
    return round(candidate.distance, 0 if candidate.is_about else 1)


def _confidential(wanted: Wanted) -> str:
    """Return how many confidential places a county has that state what is wanted; "" where none does, or no county is known."""
    if not wanted.around:
        return ""
    county = wanted.around[-1]
    assert isinstance(county, County)
    count = _in_service(wanted.services).filter(is_confidential=True, county=county).count()
    if not count:
        return ""
    number = str(count) if count >= FEWEST_COUNTED else TOO_FEW.capitalize()
    return f"{number} confidential places in {county} county offer this: {ask_safeguarding()}."


def ask_safeguarding() -> str:
    """Return whom to ask about confidential places, and how to reach them where SAFEGUARDING_CONTACT says so."""
    contact = settings.SAFEGUARDING_CONTACT
    return f"ask the safeguarding lead ({contact})" if contact else "ask the safeguarding lead"


def _remarks(wanted: Wanted, origin: _Origin, candidates: Sequence[Candidate]) -> Iterator[str]:
    """Yield what a person should know about how the places were found."""
    if wanted.point is None and wanted.place and origin.point is None:
        yield f"No position is known in {wanted.around[-1]} county, so nothing is said of places elsewhere: give a point."
    if wanted.point is not None:
        yield f"Confidential places are in no answer by distance: {ask_safeguarding()}."
    if len(candidates) == wanted.limit:
        yield f"These are the first {wanted.limit}; there may be more."
