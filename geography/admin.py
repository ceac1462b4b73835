"""The gazetteer, to browse; aliases are data in fixtures/place_aliases.csv and editable here, too."""

from django.contrib import admin

from core.admin_pages import ReadOnlyAdmin, RoleAdmin
from geography.models import Constituency, County, PlaceAlias, Ward


@admin.register(County)
class CountyAdmin(ReadOnlyAdmin):
    list_display = ["county_name", "county_code"]
    search_fields = ["county_name", "=county_code"]


@admin.register(Constituency)
class ConstituencyAdmin(ReadOnlyAdmin):
    list_display = ["constituency_name", "constituency_code", "county"]
    list_filter = ["county"]
    list_filter_sheet = False
    list_select_related = ["county"]
    search_fields = ["constituency_name", "=constituency_code"]


@admin.register(Ward)
class WardAdmin(ReadOnlyAdmin):
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
