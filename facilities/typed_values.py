"""What a person types is checked once, for the facility's page and for the protected one: positions, websites."""

from decimal import Decimal, InvalidOperation

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from geography.bounds import why_not_in_kenya

_EIGHT_PLACES = Decimal("1e-8")
_LONGEST_POINT = 60  # characters
_is_web_address = URLValidator(schemes=["http", "https"])


def check_position(latitude: Decimal, longitude: Decimal) -> None:
    """Raise ValidationError for a position that is swapped or lies outside Kenya."""
    if reason := why_not_in_kenya(latitude, longitude):
        raise ValidationError(reason)


def read_point(text: str) -> tuple[Decimal, Decimal]:
    """Return latitude and longitude in degrees from "-1.2921, 36.8219"; raises ValidationError, also outside Kenya."""
    try:
        latitude, longitude = (
            Decimal(part.strip()).quantize(_EIGHT_PLACES) for part in text[:_LONGEST_POINT].split(",")
        )
    except (InvalidOperation, ValueError):
        raise ValidationError("Write a position as latitude, longitude in degrees: -1.2921, 36.8219") from None
    check_position(latitude, longitude)
    return latitude, longitude


def check_website(text: str) -> None:
    """Raise ValidationError for what a browser should not be sent to: no http or https address."""
    if not text:
        return
    try:
        _is_web_address(text)
    except ValidationError:
        raise ValidationError("Write a web address that begins with https:// or http://.") from None
