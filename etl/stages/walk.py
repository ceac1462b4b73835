"""The document of one file -> where its records stand and what they inherit.

A document has the layout's own shape, or one of those that every source may have: a bare list, {"facilities": [...]},
{"data": [...]}, one record, JSON Lines. What stands beside the way to the records is read as strictly as the way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from etl.stages.decoding import TextError, ValueReader, pointer_to, shown
from etl.stages.framing import Scanner
from etl.stages.records import Layout
from etl.stages.survivors import tells_of_survivor

MAX_RECORD = 1_048_576  # characters; a longer record is a reject and is not held
MAX_SIBLING = 16_777_216  # characters of a value beside the way to the records
MAX_INHERITED = 1_000  # values of one container: each of its records carries them
MAX_INHERITED_CHARACTERS = 10_000  # of one value
MAX_LATE = 100_000  # containers whose inherited values stand behind their records
MAX_LATE_CHARACTERS = 16_777_216

# what the document's reader took besides a source's own shape
_LIST = ("[]",)
_GENERIC = (("facilities", "[]"), ("data", "[]"))


def _wanted_at(path: tuple[str, ...], step: int) -> str:
    """Return the character that a value starts with where a step of the path, or a record, is expected."""
    return "[" if path[step : step + 1] == _LIST else "{"


def _homes(layout: Layout) -> dict[str, tuple[str, ...]]:
    """Return the paths that start with a member of the top-level object, by that member; the layout's own wins."""
    own = (layout.path,) if layout.path and layout.path[0] != "[]" else ()
    return {path[0]: path for path in (*_GENERIC, *own)}


def other_homes(layout: Layout, path_taken: tuple[str, ...]) -> frozenset[str]:
    """Return the top-level members that could hold the records as well as the path taken."""
    return frozenset(_homes(layout)) - frozenset(path_taken[:1])


def find_path(scanner: Scanner, layout: Layout, *, may_be_empty: bool) -> tuple[str, ...]:
    """Return the path from the top of a document to one record; () where the document is one record, or nothing."""
    first = scanner.peek()
    if not first and may_be_empty:
        return ()
    if not first:
        raise scanner.fault("the file is empty", remedy="fetch it again; only a source that may be empty takes it")
    if first == "[":
        return layout.path if layout.path[:1] == _LIST else _LIST
    if first != "{":
        raise scanner.expected("an object or a list at the top")
    if layout.path and layout.path[0].startswith("{"):
        return layout.path
    return _find_path_in_object(scanner, layout)


def _find_path_in_object(scanner: Scanner, layout: Layout) -> tuple[str, ...]:
    homes = _homes(layout)
    fallback: tuple[str, ...] | None = None
    is_record = False
    for key in scanner.members(are_checked=False):  # it may be a record, whose keys are its own trouble
        scanner.pointer = pointer_to("", key)
        path = homes.get(key)
        if path and scanner.peek() == _wanted_at(path, 1):
            return path
        # {"facilities": null} and {"facilities": "NIL"} are homes, too, unless the object is a record
        fallback = fallback or path
        is_record = is_record or key in layout.record_keys
        scanner.take(MAX_SIBLING)
    if is_record:
        return _LIST if scanner.peek() else ()  # more objects behind it: JSON Lines
    if fallback:
        return fallback
    names = ", ".join(shown(name) for name in (*reversed(homes), *layout.record_keys))
    raise scanner.fault(f"an object of no known shape: it has none of the members {names}")


# the walk to the records


class Place(NamedTuple):
    """Where one record stands, and its text: None where it is too long to hold."""

    pointer: str
    inherited: Mapping[str, str]
    text: str | None
    wanted: str = ""  # what should stand here, where something else does


@dataclass(slots=True)
class Reading:
    """One reading of one file."""

    scanner: Scanner
    path: tuple[str, ...]
    rivals: frozenset[str]  # top-level members that could hold the records as well
    known_late: Mapping[str, Mapping[str, str]] | None = None  # in the second reading
    late: dict[str, dict[str, str]] = field(default_factory=dict)
    late_characters: int = 0
    values: ValueReader = field(default_factory=ValueReader)
    siblings: ValueReader = field(default_factory=lambda: ValueReader(numbers_as_text=True))


def walk(reading: Reading) -> Iterator[Place]:
    """Yield where each record stands; its text is valid JSON as far as brackets and strings go.

    Raises UnsoundFileError, at the latest at the end of the file. A fault found in a place's text must be raised before
    the next place is asked for: until then the scanner knows where that text stands.
    """
    scanner = reading.scanner
    first = scanner.peek()
    if reading.path == _LIST and first == "{":
        yield from _walk_lines(scanner)
    elif first:
        yield from _walk_from(reading, 0, "", {})
    if scanner.peek():
        raise scanner.expected("the end of the file")


def _walk_lines(scanner: Scanner) -> Iterator[Place]:
    """Yield the records of a JSON Lines file."""
    index = 0
    while scanner.peek() == "{":
        scanner.pointer = f"/{index}"
        yield Place(scanner.pointer, {}, scanner.take(MAX_RECORD))
        scanner.pointer = ""
        if scanner.peek_in_line() not in ("", "\n"):
            raise scanner.expected("a new line between two records")
        index += 1


def _walk_from(reading: Reading, step: int, pointer: str, inherited: dict[str, str]) -> Iterator[Place]:
    """Yield the records below the value at the scanner's position, which a step of the path leads through."""
    scanner, path = reading.scanner, reading.path
    scanner.pointer = pointer
    if step == len(path):
        yield Place(pointer, inherited, scanner.take(MAX_RECORD))
    elif scanner.peek() != _wanted_at(path, step):
        yield from _walk_misplaced(reading, step, pointer, inherited)
    elif path[step] == "[]":
        yield from _walk_list(reading, step, pointer, inherited)
    elif path[step].startswith("{"):
        yield from _walk_members(reading, step, pointer, inherited)
    else:
        yield from _walk_named(reading, step, pointer, inherited)


def _walk_misplaced(reading: Reading, step: int, pointer: str, inherited: dict[str, str]) -> Iterator[Place]:
    """Yield what stands where the records should, as one record that will be rejected; null is no record."""
    scanner = reading.scanner
    wanted = "a list" if reading.path[step] == "[]" else "an object"
    if scanner.peek() != "n" and step < len(reading.path) - 1:
        raise scanner.expected(f"{wanted} at {shown(pointer, 120)}")
    text = scanner.take(MAX_RECORD)
    if text is None or _read_sibling(reading, text) is not None:
        yield Place(pointer, inherited, text, wanted)


def _walk_list(reading: Reading, step: int, pointer: str, inherited: dict[str, str]) -> Iterator[Place]:
    scanner = reading.scanner
    if step + 1 < len(reading.path):
        for index in scanner.items():
            yield from _walk_from(reading, step + 1, f"{pointer}/{index}", inherited)
        return
    # the records themselves: written out, since this line runs for each of them
    for index in scanner.items():
        scanner.pointer = f"{pointer}/{index}"
        yield Place(scanner.pointer, inherited, scanner.take(MAX_RECORD))


def _walk_members(reading: Reading, step: int, pointer: str, inherited: dict[str, str]) -> Iterator[Place]:
    name = reading.path[step].strip("{}")
    for key in reading.scanner.members():
        yield from _walk_from(reading, step + 1, pointer_to(pointer, key), inherited | {name: key})


def _walk_named(reading: Reading, step: int, pointer: str, inherited: dict[str, str]) -> Iterator[Place]:
    """Yield the records below one member of an object; its other members are inherited or passed over."""
    scanner, name = reading.scanner, reading.path[step]
    known_late = (reading.known_late or {}).get(pointer, {})
    own = {**inherited, **known_late}
    is_behind = has_unread = False
    for key in scanner.members():
        scanner.pointer = here = pointer_to(pointer, key)
        if key == name:
            is_behind = True
            yield from _walk_from(reading, step + 1, here, own)
            continue
        found = scanner.peek()
        has_unread = has_unread or found in ("{", "[")
        if not pointer and key in reading.rivals and found in ("{", "["):
            message = f'both "{shown(name)}" and "{shown(key)}" could hold the records'
            raise scanner.fault(message, remedy="leave one of them in the file and import it again")
        values = _take_inherited(reading, key, is_top=not pointer)
        if not is_behind:
            own.update(values)
        elif reading.known_late is None and values:
            _remember_late(reading, pointer, values)
        if len(own) > MAX_INHERITED:
            raise scanner.fault(f"more than {MAX_INHERITED:,} values for the records to inherit")
    if has_unread and not is_behind:
        scanner.pointer = pointer
        raise scanner.fault(f'no "{shown(name)}" in an object that holds something else to read')


def _take_inherited(reading: Reading, key: str, *, is_top: bool) -> dict[str, str]:
    """Return what records inherit from one member beside their path.

    A text or a number under its own key; from an object at the top of the document each text or number under a dotted
    key ("hq.phone"); nothing else. Of what tells of a survivor the name alone, for which each of the records is rejected.
    """
    text = reading.scanner.take(MAX_SIBLING)
    if text is None:
        raise reading.scanner.fault(f"a value of more than {MAX_SIBLING:,} characters beside the records")
    if tells_of_survivor(key):
        return {key: ""} if text[0] in '"-0123456789' or (is_top and text[0] == "{") else {}
    value = _read_sibling(reading, text)
    members = value if is_top and isinstance(value, dict) else {}
    values = {
        f"{key}.{name}": "" if tells_of_survivor(name) else inner
        for name, inner in members.items()
        if isinstance(inner, str)
    }
    if isinstance(value, str):
        values = {key: value}
    if any(len(inherited) > MAX_INHERITED_CHARACTERS for inherited in values.values()):
        message = f"a text of more than {MAX_INHERITED_CHARACTERS:,} characters for the records to inherit"
        raise reading.scanner.fault_in_value(TextError(message, 0))
    return values


def _read_sibling(reading: Reading, text: str) -> Any:
    """Return the value of a text above record level, where a bad key or character cannot be one record's trouble."""
    try:
        value, findings = reading.siblings.read(text, reading.scanner.pointer)
    except TextError as error:
        raise reading.scanner.fault_in_value(error) from None
    if findings:
        raise reading.scanner.fault_in_value(TextError(findings[0].message, 0))
    return value


def _remember_late(reading: Reading, pointer: str, values: dict[str, str]) -> None:
    reading.late.setdefault(pointer, {}).update(values)
    reading.late_characters += len(pointer) + sum(len(key) + len(value) for key, value in values.items())
    if len(reading.late) > MAX_LATE or reading.late_characters > MAX_LATE_CHARACTERS:
        raise reading.scanner.fault("too many values stand behind the records that inherit them; put them first")
