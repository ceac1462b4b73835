"""Kenya's bounding box, for what sources write and what people type. Pure."""

from decimal import Decimal

# The mainland is -4.72..4.62 and 33.91..41.91 (EPSG area 3264 "Kenya - onshore"); 5.03 N closes the Ilemi triangle in
# Natural Earth's boundary. Rounded outwards by some 8 km for the islands of Lake Victoria and the south coast.
# No latitude of the box is one of its longitudes, so a pair lies inside it in one order at most: an exchange of the two
# is never a guess.
SOUTH, NORTH = Decimal("-4.8"), Decimal("5.1")
WEST, EAST = Decimal("33.85"), Decimal("41.95")


def lies_in_kenya(latitude: Decimal, longitude: Decimal) -> bool:
    """Return True for a point inside Kenya's bounding box; parts of its neighbours are inside too."""
    if not (latitude.is_finite() and longitude.is_finite()):
        return False
    return SOUTH <= latitude <= NORTH and WEST <= longitude <= EAST


def why_not_in_kenya(latitude: Decimal, longitude: Decimal) -> str:
    """Return what is wrong with a point that a person typed, as a sentence; "" for one in Kenya."""
    if lies_in_kenya(latitude, longitude):
        return ""
    if lies_in_kenya(longitude, latitude):
        return "Latitude and longitude are swapped: the latitude comes first, and is the smaller one in Kenya."
    return f"This lies outside Kenya: latitudes are {SOUTH} to {NORTH}, longitudes {WEST} to {EAST}."
