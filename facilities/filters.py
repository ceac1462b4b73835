"""What the facility list is narrowed by."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from facilities.models import Facility, FacilityService, ServiceCategory
from geography.models import Constituency, County, Ward


class PlaceFilter(SimpleListFilter):
    """One level of county > constituency > ward: it lists what lies inside the chosen level above."""

    model: type[County | Constituency | Ward]
    parent: str  # the query parameter of the level above, "" for counties
    parent_field: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        places = self.model._default_manager.all()  # noqa: SLF001 - documented API
        if self.parent:
            chosen = request.GET.get(self.parent, "")
            if not chosen.isdecimal():
                return []
            places = places.filter(**{self.parent_field: chosen})
        return [(str(place.pk), str(place)) for place in places]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value and value.isdecimal() else queryset


class CountyFilter(PlaceFilter):
    title, parameter_name, model, parent, parent_field = "county", "county", County, "", ""


class ConstituencyFilter(PlaceFilter):
    title, parameter_name, model, parent, parent_field = (
        "constituency",
        "constituency",
        Constituency,
        "county",
        "county",
    )


class WardFilter(PlaceFilter):
    title, parameter_name, model, parent, parent_field = "ward", "ward", Ward, "constituency", "constituency"


class HasCoordinatesFilter(SimpleListFilter):
    title = "coordinates"
    parameter_name = "has_coordinates"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [("yes", "With coordinates"), ("no", "Without coordinates")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(coordinate__isnull=self.value() == "no")


class ServiceFilter(SimpleListFilter):
    title = "service"
    parameter_name = "service"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [(row.code, row.category_name) for row in ServiceCategory.objects.order_by("category_name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        code = self.value()
        # a subquery and no join: a join would list a facility once for each of its services
        offering = FacilityService.objects.filter(service_category__code=code, is_active=True).values("facility")
        return queryset.filter(pk__in=offering) if code else queryset


class MissingFilter(SimpleListFilter):
    """Places in service that lack something; of confidential ones only what is public of them is asked."""

    title = "missing"
    parameter_name = "missing"
    lacks = {
        "location": ("Place (no constituency)", Q(constituency__isnull=True, is_confidential=False)),
        "contact": ("Contact", Q(contacts__isnull=True, is_confidential=False)),
        "position": ("Position", Q(coordinate__isnull=True, is_confidential=False)),
        "services": ("Services", Q(services__isnull=True)),
        "type": ("Type", Q(facility_type__isnull=True)),
        "status": ("Status", Q(operational_status__isnull=True)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [(name, words) for name, (words, _) in self.lacks.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Facility]) -> QuerySet[Facility]:  # noqa: ARG002
        if self.value() not in self.lacks:
            return queryset
        return queryset.filter(self.lacks[str(self.value())][1], is_active=True)
