"""A county, constituency or ward that a person names, by name, alias or code; a doubt is an answer that names the choices."""

from collections.abc import Callable, Iterable, Sequence

from rapidfuzz.fuzz import ratio
from rapidfuzz.process import extract

from core.masking import mask
from geography.models import Constituency, County, PlaceAlias, Ward
from geography.names import constituency_key, county_key, ward_key

NEAREST = 3
MOST_NAMED = 8
_LEAST_LIKE = 60  # of 100
_CERTAIN = (PlaceAlias.Kind.SPELLING, PlaceAlias.Kind.FORMER_NAME)
Place = County | Constituency | Ward


class PlaceError(ValueError):
    """A text names no place, or several; the message is one sentence for a person, with the candidates."""


def find_county(text: str) -> County:
    """Return the county of this name or code; raises PlaceError."""
    return _find(text, County.objects.all(), "county", county_key)


def find_constituency(text: str, *, county: County | None = None) -> Constituency:
    """Return the constituency of this name or code, in a county where one is given; raises PlaceError."""
    places = Constituency.objects.select_related("county")
    return _find(text, places.filter(county=county) if county else places, "constituency", constituency_key)


def find_ward(text: str, *, county: County | None = None, constituency: Constituency | None = None) -> Ward:
    """Return the ward of this name or code, inside what is given; raises PlaceError."""
    places = Ward.objects.select_related("constituency__county")
    places = places.filter(constituency__county=county) if county else places
    places = places.filter(constituency=constituency) if constituency else places
    return _find(text, places, "ward", ward_key)


def path_of(place: Place) -> str:
    """Return where a place lies, from near to far: "Township, Kisumu Central, Kisumu"."""
    if isinstance(place, Ward):
        return f"{place.ward_name}, {path_of(place.constituency)}"
    if isinstance(place, Constituency):
        return f"{place.constituency_name}, {place.county.county_name}"
    return place.county_name


def _find[P: (County, Constituency, Ward)](
    text: str, places: Iterable[P], level: str, to_key: Callable[[str], str]
) -> P:
    known = list(places)
    key, code = to_key(text), text.strip()
    found = [place for place in known if _code(place) == code.zfill(len(_code(place))) or to_key(str(place)) == key]
    found = found or _by_alias(key, known, level, to_key)
    if len(found) == 1:
        return found[0]
    if found:
        raise PlaceError(f"there is more than one {level} '{mask(text)}': {_named(found)}; say which, or give its code")
    nearest = extract(key, {place: to_key(str(place)) for place in known}, scorer=ratio, limit=NEAREST)
    like = [place for _, score, place in nearest if score >= _LEAST_LIKE]
    hint = f"; did you mean {_named(like)}?" if like else ""
    raise PlaceError(f"there is no {level} '{mask(text)}' there: give its name or its code{hint}")


def _by_alias[P: (County, Constituency, Ward)](
    key: str, places: Sequence[P], level: str, to_key: Callable[[str], str]
) -> list[P]:
    aliases = PlaceAlias.objects.filter(level=level, kind__in=_CERTAIN).values_list("alias", "target_code")
    codes = {code for alias, code in aliases if to_key(alias) == key}
    return [place for place in places if _code(place) in codes]


def _code(place: Place) -> str:
    return str(getattr(place, f"{type(place).__name__.lower()}_code"))


def _named(places: Sequence[Place]) -> str:
    """Return the places with their codes, as one choice of several."""
    each = [f"{path_of(place)} ({_code(place)})" for place in places[:MOST_NAMED]]
    return "; ".join(each) + (f" and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else "")
