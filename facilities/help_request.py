"""What a person, or a command, asks find_help() for: texts -> services, and a place or a point, or why not."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError

from core.installation import MANAGE
from core.masking import mask
from facilities.find_help import DEFAULT_LIMIT, MOST, Wanted
from facilities.models import ServiceCategory
from facilities.typed_values import read_point
from geography.models import Constituency, County
from geography.places import Place, PlaceError, find_constituency, find_county, find_ward


class HelpRequestError(ValueError):
    """What is asked for cannot be found; the message is one line for a person, and `candidates` may be what is meant."""

    def __init__(self, message: str, *, lead: str = "", candidates: Sequence[Place] = ()) -> None:
        super().__init__(message)
        self.lead, self.candidates = lead or message, candidates


def read_request(
    services: Sequence[str],
    *,
    county: str = "",
    constituency: str = "",
    ward: str = "",
    near: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Wanted:
    """Return what is wanted; raises HelpRequestError. The narrowest place counts, the others say where it lies."""
    if not 1 <= limit <= MOST:
        raise HelpRequestError(f"ask for 1 to {MOST} places")
    known = _known_services(services)
    is_placed = bool(county.strip() or constituency.strip() or ward.strip())
    if near.strip() and is_placed:
        raise HelpRequestError("give a place or a point, not both")
    if near.strip():
        return Wanted(known, point=_read_point(near), limit=limit)
    if not is_placed:
        raise HelpRequestError("say where: a county, a ward, or a point")
    return Wanted(known, place=_find_place(county.strip(), constituency.strip(), ward.strip()), limit=limit)


def _known_services(services: Sequence[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(code.strip() for code in services if code.strip()))
    codes = set(ServiceCategory.objects.values_list("code", flat=True))
    if not codes:
        raise HelpRequestError(f"there are no services yet: {MANAGE} load_geography loads them")
    unknown = [code for code in wanted if code not in codes]
    if unknown or not wanted:
        lead = f"there is no service '{mask(unknown[0])}'" if unknown else "say which service"
        raise HelpRequestError(f"{lead}: known are {', '.join(sorted(codes))}")
    return wanted


def _read_point(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = read_point(text)
    except ValidationError as error:
        raise HelpRequestError(error.messages[0]) from error
    return float(latitude), float(longitude)


def _find_place(county: str, constituency: str, ward: str) -> Place:
    try:
        in_county = find_county(county) if county else None
        in_constituency = find_constituency(constituency, county=in_county) if constituency else None
        place: Place | None = in_constituency or in_county
        if ward:
            place = _named_place(ward, in_county, in_constituency)
    except PlaceError as error:
        raise HelpRequestError(str(error), lead=error.message, candidates=error.candidates) from error
    assert place is not None, "one of the three was given"
    return place


def _named_place(text: str, county: County | None, constituency: Constituency | None) -> Place:
    """Return the ward of this name, else the constituency, else the county: a caller says "Kibra", not at which level."""
    try:
        return find_ward(text, county=county, constituency=constituency)
    except PlaceError as error:
        if error.is_ambiguous or constituency or text.isdecimal():
            raise
        return _wider_place(text, county, error)


def _wider_place(text: str, county: County | None, no_ward: PlaceError) -> Place:
    try:
        return find_constituency(text, county=county)
    except PlaceError as error:
        if error.is_ambiguous:
            raise
    if county:
        raise no_ward
    try:
        return find_county(text)
    except PlaceError:
        raise no_ward from None
