"""The text of one JSON value -> the value and what is wrong with it. Stricter than `json`; a fault has an index.

`json` collapses duplicate keys, takes NaN and 1e400, lets lone surrogates through and gives up on 5,000-digit integers
with a bare ValueError; the hooks below close each of these doors.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from etl.stages.records import Finding, Severity

MAX_FINDINGS = 10  # per record: one bad record must not fill the ledger
SHORT_NUMBER = 8  # characters that a message quotes: 1e400
LEAST_INTEGER, GREATEST_INTEGER = -(2**63), 2**63 - 1  # PostgreSQL's bigint

# the two families of escapes that decode to what no UTF-8 database text can hold: NUL and half a surrogate pair
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_KIND_BY_START = {"{": "an object", "[": "a list", '"': "a text"} | dict.fromkeys("-0123456789", "a number")
_STRING_OR_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*+"|([^ \t\n\r,:"{}\[\]]+)', re.DOTALL)


class TextError(Exception):
    """A text is no JSON value that we accept: what is wrong, and at which index of the text."""

    def __init__(self, what: str, index: int) -> None:
        super().__init__(what)
        self.what = what
        self.index = index


class _RefusedError(Exception):
    """A hook met a number it does not accept. `json` does not tell the hook where the number stands."""

    def __init__(self, what: str, token: str) -> None:
        super().__init__(what)
        self.what = what
        self.token = token


def shown(text: str, length: int = 60) -> str:
    """Return a text fit for one line of a message: unprintable characters escaped, cut at `length`."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def pointer_to(pointer: str, key: str) -> str:
    """Return the JSON pointer (RFC 6901) of a member of the object at `pointer`."""
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def to_integer(text: str) -> int:
    """Return the integer that a text writes, if 64 bits hold it."""
    # 20 characters hold every 64-bit integer; beyond, int() is slow and ends in a ValueError at 4,300 digits
    if len(text) <= 20 and LEAST_INTEGER <= (value := int(text)) <= GREATEST_INTEGER:
        return value
    # its digits are not quoted: they may be somebody's
    raise _RefusedError(f"an integer of {len(text.lstrip('-'))} digits needs more than 64 bits", text)


def to_number(text: str) -> float:
    """Return the number that a text writes, if a double holds it."""
    if math.isinf(value := float(text)):
        what = text if len(text) <= SHORT_NUMBER else f"of {len(text)} characters"
        raise _RefusedError(f"the number {what} is beyond a double", text)
    return value


def _refuse_constant(text: str) -> None:
    raise _RefusedError(f"{text} is no JSON number", text)


class ValueReader:
    """Reads the values of one file. With `numbers_as_text`, numbers come back as the file writes them."""

    def __init__(self, *, numbers_as_text: bool = False) -> None:
        self._has_duplicate_keys = False
        self._decoder = json.JSONDecoder(
            parse_int=_checked_text(to_integer) if numbers_as_text else to_integer,
            parse_float=_checked_text(to_number) if numbers_as_text else to_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=self._to_object,
        )

    def read(self, text: str, pointer: str) -> tuple[Any, tuple[Finding, ...]]:
        """Return the value and the findings about its keys and characters. Raises TextError where it is no JSON.

        `text` starts and ends with the value and is nested no deeper than the recursive decoder stands.
        """
        self._has_duplicate_keys = False
        value = _decode(self._decoder, text)
        # most files hold no escape at all, and a look for two characters costs next to nothing
        suspect = self._has_duplicate_keys or ("\\u" in text and _SUSPECT_ESCAPE.search(text))
        return value, _examine(text, pointer) if suspect else ()

    def _to_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            self._has_duplicate_keys = True
        return members


def _checked_text(check: Callable[[str], float]) -> Callable[[str], str]:
    def to_text(text: str) -> str:
        check(text)
        return text

    return to_text


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        value, end = decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        raise _to_text_error(text, error) from None
    except _RefusedError as error:
        raise TextError(error.what, _index_of(text, error.token)) from None
    if end < len(text):
        raise TextError(diagnose(text, end, "the end of the value"), end)
    return value


def find_first_fault(text: str) -> TextError | None:
    """Return what is wrong with a text that was cut off in the middle of a value, other than being cut off."""
    try:
        _decode(json.JSONDecoder(parse_int=to_integer, parse_float=to_number, parse_constant=_refuse_constant), text)
    except TextError as error:
        return error if error.index < len(text) else None
    return None


def _to_text_error(text: str, error: json.JSONDecodeError) -> TextError:
    if error.msg.startswith("Unterminated"):
        return TextError(diagnose(text, len(text), ""), len(text))
    if error.msg.startswith("Illegal trailing comma"):  # Python 3.13 and later
        return TextError("trailing comma", error.pos)
    if "escape" in error.msg:
        return TextError("an escape that JSON does not know", error.pos)
    # "Expecting ',' delimiter" -> "a ',' delimiter"; "Expecting value" -> "a value"
    return TextError(diagnose(text, error.pos, "a " + error.msg.removeprefix("Expecting ")), error.pos)


def diagnose(text: str, index: int, expected: str) -> str:
    """Return in words what is wrong at an index of a text that should be JSON."""
    found = text[index : index + 1]
    before = text[:index].rstrip(" \t\n\r")[-1:]
    if not found:
        return "the file ends too early; it was probably cut off"
    if found in "]}" and before == ",":
        return "trailing comma"
    if found in "/#":
        return "a comment, which JSON does not have"
    if found < " ":
        return f"a raw control character (U+{ord(found):04X})"
    if found in "0123456789" and before == "0":
        return "a number with a leading zero"
    # the kind, not the text: it may be somebody's phone number
    return f"expected {expected}, found {_KIND_BY_START.get(found, shown(found))}"


def _index_of(text: str, token: str) -> int:
    """Return where a number stands outside the strings of a text."""
    hits = (match.start(1) for match in _STRING_OR_SCALAR.finditer(text) if match[1] == token)
    return next(hits, 0)


class _Members(list[tuple[str, Any]]):
    """The members of an object, duplicates included."""


def _examine(text: str, pointer: str) -> tuple[Finding, ...]:
    """Return the findings about duplicate keys and forbidden characters: the slow reading, for suspect values only."""
    # the first reading has refused what is no JSON, so numbers need no second look
    value = json.JSONDecoder(parse_int=str, parse_float=str, object_pairs_hook=_Members).decode(text)
    return tuple(finding for finding, _ in zip(_find(value, pointer, ""), range(MAX_FINDINGS), strict=False))


def _find(value: Any, pointer: str, field: str) -> Iterator[Finding]:
    if isinstance(value, _Members):
        yield from _find_in_members(value, pointer, field)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _find(item, f"{pointer}/{index}", field)
    elif isinstance(value, str) and (found := _FORBIDDEN.search(value)):
        yield _forbidden_character(found[0], pointer, field, "the text")


def _find_in_members(members: _Members, pointer: str, field: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for key, value in members:
        name = shown(key)
        if found := _FORBIDDEN.search(key):
            yield _forbidden_character(found[0], pointer, field, f'the key "{name}"')
        if key in seen:
            yield Finding(
                rule="duplicate-key",
                severity=Severity.REJECT,
                field=name,
                message=f'the key "{name}" stands more than once in one object',
                pointer=pointer,
                hint="keep one of the values in the file",
            )
        seen.add(key)
        # a pointer is stored with the finding, so it must not carry what the finding is about
        yield from _find(value, pointer_to(pointer, _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", key)), field or name)


def _forbidden_character(character: str, pointer: str, field: str, where: str) -> Finding:
    name = f"U+{ord(character):04X}"
    kind = "a NUL" if character == "\x00" else "half a surrogate pair"
    return Finding(
        rule="forbidden-character",
        severity=Severity.REJECT,
        field=field,
        message=f"{where} holds {kind} ({name}), which no database text can hold",
        pointer=pointer,
        value=name,
        hint="take the character out of the file",
    )
