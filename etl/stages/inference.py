"""Records -> what stands at each of their paths: how often, of which JSON types, how often null. No value is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from etl.stages.decoding import shown
from etl.stages.records import PathProfile

MAX_PATHS = 500
MAX_DEPTH = 6
MOST_DIGITS = 4  # in a member name; more make it a value
MAX_KEY = 80  # characters of a key inside a path
ALL_UP_TO = 10_000
ONE_IN = 10

_NAME_BY_TYPE = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_ORDER = {name: place for place, name in enumerate(_NAME_BY_TYPE.values())}


@dataclass(slots=True)
class _Path:
    records: int = 0
    nulls: int = 0
    types: set[type] = field(default_factory=set)
    last_record: int = 0
    last_null: int = 0


class Inference:
    """What was seen of a file's records so far.

    The path "" is the record itself, so its count is the number of records looked at. "location.ward" is a member,
    "contacts[].type" a member of each item. A path counts once per record: as null where at least one value there is
    null or blank. At most 500 paths, six members or items deep.
    """

    def __init__(self) -> None:
        self._paths: dict[str, _Path] = {}
        self._looked_at = 0

    def is_due(self, number: int) -> bool:
        """Return whether the record of that number (from 1) is looked at: all of the first 10,000, then one in ten."""
        return number <= ALL_UP_TO or number % ONE_IN == 0

    def add(self, record: dict[str, Any]) -> None:
        """Count what stands at each path of one record."""
        self._looked_at += 1
        self._count("", record)
        # a stack and not a recursion: this runs for every value of a file
        pending: list[tuple[str, Any, int]] = [("", record, 0)]
        while pending:
            path, value, depth = pending.pop()
            for name, child in _children(path, value):
                is_counted = self._count(name, child)
                if is_counted and depth + 1 < MAX_DEPTH and isinstance(child, dict | list):
                    pending.append((name, child, depth + 1))

    def _count(self, name: str, value: Any) -> bool:
        path = self._paths.get(name)
        if path is None:
            if len(self._paths) >= MAX_PATHS:
                return False
            path = self._paths[name] = _Path()
        path.types.add(type(value))
        if path.last_record != self._looked_at:
            path.last_record = self._looked_at
            path.records += 1
        is_blank = value is None or (isinstance(value, str) and not value.strip())
        if is_blank and path.last_null != self._looked_at:
            path.last_null = self._looked_at
            path.nulls += 1
        return True

    def profile(self) -> tuple[PathProfile, ...]:
        """Return what was seen, sorted by path."""
        return tuple(
            PathProfile(
                path=name,
                records=path.records,
                types=tuple(sorted((_NAME_BY_TYPE[seen] for seen in path.types), key=_ORDER.__getitem__)),
                nulls=path.nulls,
            )
            for name, path in sorted(self._paths.items())
        )


def _children(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        return ((f"{path}[]", item) for item in value)
    prefix = f"{path}." if path else ""
    return ((f"{prefix}{_printable(key)}", child) for key, child in value.items())


def _printable(key: str) -> str:
    return _short_printable(key) if len(key) <= MAX_KEY else _told(key)


@lru_cache(maxsize=1024)  # a list has few keys, and each stands in every record
def _short_printable(key: str) -> str:
    return _told(key)


def _told(key: str) -> str:
    if sum(letter.isdigit() for letter in key) > MOST_DIGITS:
        return "*"  # a key that is data: {"0722 000 111": "OCS"}
    return key if len(key) <= MAX_KEY and key.isprintable() else shown(key, MAX_KEY)
