"""The gazetteer, to browse; aliases are data in fixtures/place_aliases.csv and editable here, too."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin_pages import ReadOnlyAdmin, RoleAdmin
from geography.models import Constituency, County, PlaceAlias, Ward


@admin.register(County)
class CountyAdmin(ReadOnlyAdmin):
    list_display = ["county_name", "county_code"]
    search_fields = ["county_name", "=county_code"]


class Narrowed:
    """A list whose autocompletes offer what lies inside the places that their form has chosen already, and says so."""

    narrowed_by: Mapping[str, str] = {}  # what the address calls a place -> the column that says so

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, has_doubles = super().get_search_results(request, queryset, search_term)  # type: ignore[misc] # of the ModelAdmin beside it
        if request.path.endswith("/autocomplete/"):
            chosen = {column: request.GET.get(name, "") for name, column in self.narrowed_by.items()}
            found = found.filter(**{column: pk for column, pk in chosen.items() if pk.isdecimal() and len(pk) < 19})
        return found, has_doubles


@admin.register(Constituency)
class ConstituencyAdmin(Narrowed, ReadOnlyAdmin):
    narrowed_by = {"county": "county"}
    list_display = ["constituency_name", "constituency_code", "county"]
    list_filter = ["county"]
    list_filter_sheet = False
    list_select_related = ["county"]
    search_fields = ["constituency_name", "=constituency_code"]


@admin.register(Ward)
class WardAdmin(Narrowed, ReadOnlyAdmin):
    narrowed_by = {"county": "constituency__county", "constituency": "constituency"}
    list_display = ["ward_name", "ward_code", "constituency", "county"]
    list_filter = ["constituency__county"]
    list_filter_sheet = False
    list_select_related = ["constituency__county"]
    search_fields = ["ward_name", "=ward_code", "constituency__constituency_name"]

    @admin.display(ordering="constituency__county__county_name")
    def county(self, ward: Ward) -> County:
        return ward.constituency.county


@admin.register(PlaceAlias)
class PlaceAliasAdmin(RoleAdmin):
    list_display = ["alias", "level", "kind", "parent_code", "target_code", "evidence"]
    list_filter = ["level", "kind"]
    list_filter_sheet = False
    search_fields = ["alias", "=target_code"]
