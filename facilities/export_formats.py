"""Rows of an export as CSV, JSON and GeoJSON, written as they come; nothing is held."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol
from unicodedata import normalize

from core.masking import INVISIBLE

Row = Mapping[str, Any]
_BLANK = re.compile(rf"[\s\x00-\x20{INVISIBLE}]*")
_BEGINS_A_FORMULA = frozenset("=+-@\u2212")


class Writer(Protocol):
    """Where text goes."""

    def write(self, text: str, /) -> object: ...


# CSV


def write_csv(rows: Iterable[Row], out: Writer, *, columns: Sequence[str]) -> None:
    """Write a table with a header (RFC 4180, UTF-8): a position as WKT, services and contacts in one cell each."""
    names = [name for column in columns for name in ([column, "accuracy"] if column == "position" else [column])]
    table = csv.writer(out)
    table.writerow(names)
    for row in rows:
        flat = {**row, **_point(row["position"])}
        table.writerow([neutralised(_to_cell(name, flat[name])) for name in names])


def _point(position: Row | None) -> dict[str, str]:
    """Return the cells of a position: POINT(longitude latitude) does not begin with a minus, as a number may."""
    if position is None:
        return {"position": "", "accuracy": ""}
    point = f"POINT({_plain(position['longitude'])} {_plain(position['latitude'])})"
    return {"position": point, "accuracy": position["accuracy"]}


def _to_cell(name: str, value: Any) -> str:
    if name == "contacts":
        return "; ".join(map(_contact, value))
    if name == "services":
        return "; ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _contact(contact: Row) -> str:
    pseudonym = f" [{contact['pseudonym']}]" if "pseudonym" in contact else ""
    return f"{contact['type']}:{contact['value']}{pseudonym}"


def neutralised(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe stands before = + - @ and control characters.

    What a spreadsheet strips first, blanks and characters that nobody sees, does not hide them.
    """
    blank = _BLANK.match(cell)
    start = blank.end() if blank else 0
    first = normalize("NFKC", cell[start : start + 1])[:1]  # a full-width = counts
    return f"'{cell}" if first in _BEGINS_A_FORMULA or cell[:1] in ("\t", "\r", "\n") else cell


# JSON


def write_json(rows: Iterable[Row], out: Writer, *, audience: str, **behind: Any) -> None:
    """Write one object: the audience, the facilities one a line, then what else is given."""
    out.write(f'{{"audience": {_json(audience)},\n"facilities": [')
    _write_items(rows, out)
    out.write("]")
    for name, value in behind.items():
        out.write(f",\n{_json(name)}: {_json(value)}")
    out.write("}\n")


def write_geojson(rows: Iterable[Row], confidential_places: Iterable[Row], out: Writer) -> None:
    """Write a FeatureCollection (RFC 7946): a feature for each facility, then one without a place for each count."""
    features = (_feature(row) for row in rows)
    counts = ({"type": "Feature", "geometry": None, "properties": count} for count in confidential_places)
    out.write('{"type": "FeatureCollection",\n"features": [')
    _write_items((item for part in (features, counts) for item in part), out)
    out.write("]}\n")


def _feature(row: Row) -> Row:
    position = row["position"]
    geometry = position and {"type": "Point", "coordinates": [position["longitude"], position["latitude"]]}
    properties = {name: value for name, value in row.items() if name != "position"}
    accuracy = {"accuracy": position["accuracy"]} if position else {}
    return {"type": "Feature", "id": row["facility_code"], "geometry": geometry, "properties": properties | accuracy}


def _write_items(items: Iterable[Row], out: Writer) -> None:
    separator = "\n"
    for item in items:
        out.write(f"{separator}{_json(item)}")
        separator = ",\n"
    out.write("\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_to_number)


def _to_number(value: object) -> float:
    """Return degrees as the double nearest to them: eight places survive, and -1.2921 prints as such."""
    if isinstance(value, Decimal):
        return float(value) + 0.0  # -0 is 0
    raise TypeError(f"{type(value).__name__} is no part of an export")


def _plain(degrees: Decimal) -> str:
    return format(degrees.normalize() + 0, "f")
