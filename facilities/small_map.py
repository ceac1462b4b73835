"""The small map of a facility's page: where one open place is, among the names of the counties."""

import json

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from facilities.map import county_labels
from facilities.models import FacilityCoordinate

MAP_STYLES = ["facilities/vendor/leaflet/leaflet.css", "facilities/map.css"]
MAP_SCRIPTS = ["facilities/vendor/leaflet/leaflet.js", "facilities/map.js"]


def small_map(position: FacilityCoordinate) -> SafeString:
    """Return the element that map.js draws an open place's position in, and a link to the map of its county."""
    facility = position.facility
    return format_html(
        '<div class="registry-map is-small" role="region" aria-label="Map of this position"'
        ' data-latitude="{}" data-longitude="{}" data-name="{}" data-kind="{}" data-accuracy="{}" data-counties="{}"></div>'
        '<p><a class="text-primary-600 underline dark:text-primary-400" href="{}?county={}">Map of {}</a></p>',
        position.latitude,
        position.longitude,
        facility.facility_name,
        facility.facility_type.kind if facility.facility_type else "",
        position.accuracy_level,
        json.dumps(county_labels({})),
        reverse("admin:facilities_facility_map"),
        facility.county_id,
        facility.county,
    )
