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
    """A text names no place, or several (`is_ambiguous`); the message is one sentence, and `candidates` may be meant."""

    def __init__(self, message: str, candidates: Sequence[Place], *, is_ambiguous: bool = False) -> None:
        named = "; ".join(f"{path_of(place)} ({code_of(place)})" for place in candidates[:MOST_NAMED])
        more = f" and {len(candidates) - MOST_NAMED} more" if len(candidates) > MOST_NAMED else ""
        super().__init__(f"{message}: {named}{more}" if named else message)
        self.message, self.candidates, self.is_ambiguous = message, tuple(candidates), is_ambiguous


def find_county(text: str) -> County:
    """Return the county of this name or code; raises PlaceError."""
    return _find(text, County.objects.all(), "county", county_key)


def find_constituency(text: str, *, county: County | None = None) -> Constituency:
    """Return the constituency of this name or code, in a county where one is given; raises PlaceError."""
    places = Constituency.objects.select_related("county")
    places = places.filter(county=county) if county else places
    return _find(text, places, "constituency", constituency_key, within=county)


def find_ward(text: str, *, county: County | None = None, constituency: Constituency | None = None) -> Ward:
    """Return the ward of this name or code, inside what is given; raises PlaceError."""
    places = Ward.objects.select_related("constituency__county")
    places = places.filter(constituency__county=county) if county else places
    places = places.filter(constituency=constituency) if constituency else places
    return _find(text, places, "ward", ward_key, within=constituency or county)


def path_of(place: Place) -> str:
    """Return where a place lies, from near to far: "Township, Kisumu Central, Kisumu"."""
    if isinstance(place, Ward):
        return f"{place.ward_name}, {path_of(place.constituency)}"
    if isinstance(place, Constituency):
        return f"{place.constituency_name}, {place.county.county_name}"
    return place.county_name


def _find[P: (County, Constituency, Ward)](
    text: str, places: Iterable[P], level: str, to_key: Callable[[str], str], *, within: Place | None = None
) -> P:
    known = list(places)
    key, code = to_key(text), text.strip()
    found = [place for place in known if code_of(place) == code.zfill(len(code_of(place))) or to_key(str(place)) == key]
    found = found or _by_alias(key, known, level, to_key)
    if len(found) == 1:
        return found[0]
    if found:
        raise PlaceError(f"there is more than one {level} '{mask(text)}', say which", found, is_ambiguous=True)
    nearest = extract(key, {place: to_key(str(place)) for place in known}, scorer=ratio, limit=NEAREST)
    like = [place for _, score, place in nearest if score >= _LEAST_LIKE]
    where = f" in {within}" if within else ""
    raise PlaceError(
        f"there is no {level} '{mask(text)}'{where}; {'did you mean' if like else 'give its name or code'}", like
    )


def _by_alias[P: (County, Constituency, Ward)](
    key: str, places: Sequence[P], level: str, to_key: Callable[[str], str]
) -> list[P]:
    aliases = PlaceAlias.objects.filter(level=level, kind__in=_CERTAIN).values_list("alias", "target_code")
    codes = {code for alias, code in aliases if to_key(alias) == key}
    return [place for place in places if code_of(place) in codes]


def code_of(place: Place) -> str:
    """Return the IEBC code of a place."""
    return str(getattr(place, f"{type(place).__name__.lower()}_code"))
