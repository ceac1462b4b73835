"""JSON that is written while it is made: iterators inside a document become arrays and objects of any length."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Members:
    """An object whose members are not known yet: (name, value) one after the other."""

    of: Iterator[tuple[str, Any]]


def write_json(file: IO[str], document: Any) -> None:
    """Write a document; what its iterators yield is never held all at once."""
    for piece in _pieces(document):
        file.write(piece)


def _pieces(value: Any) -> Iterator[str]:
    match value:
        case Members():
            yield from _joined("{}", value.of)
        case dict() if any(isinstance(member, Iterator | Members) for member in value.values()):
            yield from _joined("{}", iter(value.items()))
        case Iterator():
            yield from _joined("[]", ((None, item) for item in value))
        case _:
            yield json.dumps(value, ensure_ascii=False)


def _joined(brackets: str, members: Iterator[tuple[str | None, Any]]) -> Iterator[str]:
    before = brackets[0]
    for name, value in members:
        yield before if name is None else f"{before}{json.dumps(name, ensure_ascii=False)}:"
        yield from _pieces(value)
        before = ",\n"
    yield brackets if before == brackets[0] else brackets[1]
