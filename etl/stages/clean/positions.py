"""Positions: two cells of degrees -> one point in Kenya, or why there is none."""

import re
from dataclasses import dataclass
from decimal import Decimal

from etl.stages.clean.text import is_placeholder, to_line
from etl.stages.records import Accuracy, Position
from geography.bounds import lies_in_kenya

_LONGEST = 64  # characters; with three whole digits at most, no number is ever expanded from an exponent
_EIGHT_PLACES = Decimal("1E-8")  # DECIMAL(10,8) and DECIMAL(11,8)
_EXACT_STEP = Decimal("0.0001")  # degrees, about 11 m
_SIGNS = str.maketrans("\u2010\u2011\u2012\u2013\u2212\u00ba\u02da\u2032\u2019\u2033\u201d", "-----\u00b0\u00b0''\"\"")
_LABEL = re.compile(r"(?:latitude|lat|longitude|long|lon|lng)\s*[:=]?\s*", re.IGNORECASE)
_HEMISPHERE = r"(?:north|south|east|west|[nsew])?"
_NUMBER = r"[0-9]{1,2}(?:[.,][0-9]{1,30})?"
_DEGREES = re.compile(
    rf"(?P<before>{_HEMISPHERE})\s*(?P<sign>[+-]?)\s*"
    r"(?:(?P<decimal>[0-9]{1,3}(?:[.,][0-9]{0,30})?|[.,][0-9]{1,30})\s*(?P<mark>\u00b0?)"
    rf"|(?P<degrees>[0-9]{{1,3}})(?P<gap>\s*[\u00b0:]\s*|\s)(?P<minutes>{_NUMBER})\s*[':]?\s*"
    rf"(?:(?P<seconds>{_NUMBER})\s*(?:\"|'')?)?)"
    rf"\s*(?P<after>{_HEMISPHERE})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PositionReading:
    """A position in Kenya, or None, and what was wrong.

    `problem` is "" or coordinates-missing, -incomplete, -unreadable, -zero, -swapped (put right), -outside-kenya.
    """

    position: Position | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Angle:
    """Degrees, and the smallest difference that the way they were written can express."""

    degrees: Decimal
    step: Decimal


def to_position(latitude: str, longitude: str) -> PositionReading:
    """Return the position that two cells give, in degrees with 8 places.

    Accepts -1.2833, -1,2833, 1.2833° S, S 1 17 30 and degrees, minutes and seconds with their marks.
    Accuracy is exact if both are written to 0.0001 degrees or finer (trailing zeros count), else approximate. A missing
    minus cannot be seen here: 1.28 N is in Kenya too.
    """
    missing = _is_blank(latitude), _is_blank(longitude)
    if any(missing):
        return PositionReading(None, "coordinates-missing" if all(missing) else "coordinates-incomplete")
    north, east = _to_angle(latitude), _to_angle(longitude)
    if north is None or east is None:
        return PositionReading(None, "coordinates-unreadable")
    if not north.degrees and not east.degrees:
        return PositionReading(None, "coordinates-zero")
    accuracy = Accuracy.EXACT if max(north.step, east.step) <= _EXACT_STEP else Accuracy.APPROXIMATE
    if lies_in_kenya(north.degrees, east.degrees):
        return PositionReading(Position(north.degrees, east.degrees, accuracy))
    if lies_in_kenya(east.degrees, north.degrees):
        return PositionReading(Position(east.degrees, north.degrees, accuracy), "coordinates-swapped")
    return PositionReading(None, "coordinates-outside-kenya")


def _is_blank(text: str) -> bool:
    """Return True for a blank cell or a filler; zeros are degrees here, and "nan" is what a broken export writes."""
    line = to_line(text[: _LONGEST + 1])
    return is_placeholder(line) and "0" not in line and line.casefold().strip("+-") != "nan"


def _to_angle(text: str) -> _Angle | None:
    """Return degrees, south and west negative, or None where the text is no angle."""
    if len(text) > _LONGEST:
        return None
    line = to_line(text.translate(_SIGNS))
    label = _LABEL.match(line)
    hit = _DEGREES.fullmatch(line[label.end() :] if label else line)
    if hit is None:
        return None
    hemisphere = (hit["before"] or hit["after"])[:1].upper()
    is_negative = hit["sign"] == "-" or hemisphere in ("S", "W")
    angle = _measure(hit, hemisphere)
    if angle is None or (hit["before"] and hit["after"]) or (hit["sign"] == "-" and hemisphere in ("N", "E")):
        return None
    degrees = (-angle.degrees if is_negative else angle.degrees).quantize(_EIGHT_PLACES)
    return _Angle(degrees or Decimal("0E-8"), angle.step)  # -0 is 0


def _measure(hit: re.Match[str], hemisphere: str) -> _Angle | None:
    """Return the angle without its sign, or None for 1 75 00 S and for "1 17", which may be a typing error for 1.17."""
    if hit["decimal"]:
        return _Angle(*_to_number(hit["decimal"]))
    minutes, minute_step = _to_number(hit["minutes"])
    seconds, second_step = _to_number(hit["seconds"] or "0")
    is_broken = minutes >= 60 or seconds >= 60 or (hit["seconds"] and minute_step != 1)
    if is_broken or not (hit["gap"].strip() or hemisphere):
        return None
    step = second_step / 3600 if hit["seconds"] else minute_step / 60
    return _Angle(Decimal(hit["degrees"]) + minutes / 60 + seconds / 3600, step)


def _to_number(text: str) -> tuple[Decimal, Decimal]:
    """Return a number with decimal point or comma, and the unit of its last digit."""
    number = text.replace(",", ".")
    return Decimal(f"0{number}"), Decimal(1).scaleb(-len(number.partition(".")[2]))
