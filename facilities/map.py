"""What the map shows: open places as points, counties at the middle of theirs; of confidential places a whole county's number."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from django.db.models import Aggregate, Case, Count, FloatField, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce

from facilities.export import Audience, Export, Format
from facilities.models import Facility, FacilityCoordinate, FacilityType

_DIGITS = 5  # of a degree: about a metre


class Median(Aggregate):
    """The median of a column, between the two middle values where there are two."""

    template = "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


class Point(NamedTuple):
    """An open place on the map; as JSON an array in this order, which map.js reads."""

    latitude: float
    longitude: float
    name: str
    pk: int
    type_code: str
    status: str
    accuracy: str
    place: str


@dataclass(frozen=True, slots=True)
class CountyLabel:
    """A county at the middle (median) of the known positions of its open places."""

    name: str
    latitude: float
    longitude: float
    confidential: str  # how many confidential places it has, as people are told; "" where none


@dataclass(frozen=True, slots=True)
class Tally:
    """How many open places there are, and how many of them have a position."""

    places: int
    placed: int

    @property
    def without_position(self) -> int:
        return self.places - self.placed


def open_places(places: QuerySet[Facility]) -> QuerySet[Facility]:
    """Return the open ones among places, each once, whatever joins found them."""
    return Facility.objects.filter(pk__in=places.order_by().values("pk"), is_confidential=False)


def tally(places: QuerySet[Facility]) -> Tally:
    """Return how many open places there are among places."""
    return Tally(**open_places(places).aggregate(places=Count("pk"), placed=Count("coordinate__latitude")))


def points(places: QuerySet[Facility]) -> list[Point]:
    """Return the open places that have a position, in one query."""
    rows = (
        open_places(places)
        .filter(coordinate__latitude__isnull=False)
        .order_by("pk")
        .values_list(
            Cast("coordinate__latitude", FloatField()),
            Cast("coordinate__longitude", FloatField()),
            "facility_name",
            "pk",
            Coalesce("facility_type_id", Value("")),
            Case(
                When(is_active=False, then=Value("Out of service")),
                default=Coalesce("operational_status__status_name", Value("Unknown")),
            ),
            "coordinate__accuracy_level",
            "ward__ward_name",
            "constituency__constituency_name",
            "county__county_name",
        )
    )
    return [_point(row) for row in rows]


def _point(row: tuple[Any, ...]) -> Point:
    latitude, longitude, name, pk, type_code, status, accuracy, *where = row
    return Point(
        round(latitude, _DIGITS),
        round(longitude, _DIGITS),
        name,
        pk,
        type_code,
        status,
        accuracy,
        ", ".join(filter(None, where)),
    )


def types() -> dict[str, dict[str, str]]:
    """Return the name and the kind of each type, by its code."""
    rows = FacilityType.objects.values_list("code", "type_name", "kind")
    return {code: {"name": name, "kind": kind} for code, name, kind in rows}


def confidential_places() -> dict[str, str]:
    """Return how many confidential places each county has, a small number as "fewer than 5".

    Always of the whole county and of every place: a number that followed a filter would tell which ward, name or service.
    """
    counted = Export(Format.JSON, Audience.INTERNAL).count_confidential()
    return {str(row["county"]): str(row["confidential_places"]) for row in counted}


def county_labels(confidential: dict[str, str]) -> list[dict[str, Any]]:
    """Return the counties with a known open position: the first ones keep their names where names crowd.

    Those with a number to tell come first, then those with most open positions.
    """
    middles = (
        FacilityCoordinate.objects.filter(latitude__isnull=False, facility__is_confidential=False)
        .values_list("facility__county__county_name")
        .annotate(latitude=Median("latitude"), longitude=Median("longitude"), places=Count("pk"))
        .order_by("-places", "facility__county__county_name")
    )
    labels = [
        CountyLabel(name, round(latitude, 3), round(longitude, 3), confidential.get(name, ""))
        for name, latitude, longitude, _ in middles
    ]
    return [asdict(label) for label in sorted(labels, key=lambda label: not label.confidential)]
