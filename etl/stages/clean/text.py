"""Text cells: what a JSON scalar says, on one clean line, or nothing where it is a placeholder."""

import re
from decimal import Decimal
from unicodedata import combining, normalize

from core.masking import INVISIBLE

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")
_EXES = re.compile(r"x{2,}")

APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bb\u02bc\u02b9\u2032\u00b4`"), "'")
_NO_APOSTROPHES = dict.fromkeys((*APOSTROPHES, ord("'")), "")

# Compared without case, blanks and punctuation: "N/A", "n.a." and "(NA)" are one.
_PLACEHOLDERS = frozenset(
    {
        *("na", "nil", "none", "null", "nan", "unknown", "notknown", "undefined", "tbd", "tba", "tbc", "nodata"),
        *("notavailable", "notapplicable", "notstated", "notspecified", "notprovided", "noinformation"),
    }
)
_YES = frozenset({"yes", "y", "true", "t", "1", "available", "present", "ndiyo", "ndio"})
_NO = frozenset({"no", "n", "false", "f", "0", "absent", "hapana"})

# Sorting combining marks is quadratic in CPython: 200,000 in one run take 30 s. Unicode's stream-safe text has 30.
_MOST_MARKS = 30
_SHORT_TEXT = 100
_LONGEST_PLAIN_EXPONENT = 64  # 1e400 stays "1E+400": written out, a JSON number of nine characters fills the memory


def to_text(value: object) -> str:
    """Return the text of a JSON scalar; "" for null, and for an object or a list, which the raw schema reports.

    Whole numbers come without ".0" (14586.0 is an MFL code), true and false in JSON's spelling.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 1024 else f"{value:#x}"  # str() refuses 4,300 digits
    if isinstance(value, float):
        return _to_plain(Decimal(float.__repr__(value)))
    return _to_plain(value) if isinstance(value, Decimal) else ""


def _to_plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST_PLAIN_EXPONENT:
        return str(number)
    whole, _, decimals = format(number, "f").partition(".")
    if decimals.strip("0"):
        return f"{whole}.{decimals}"
    return "0" if whole == "-0" else whole


def to_line(text: str) -> str:
    """Return the text on one line: NFC, no control or invisible characters, white space as single blanks, stripped."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = _INVISIBLE.sub("", text)
    if len(visible) <= _SHORT_TEXT:
        return " ".join(normalize("NFC", visible).split())
    return " ".join(_without_mark_floods(normalize("NFC", _without_mark_floods(visible))).split())


def _without_mark_floods(text: str) -> str:
    kept, marks = [], 0
    for letter in text:
        marks = marks + 1 if combining(letter) else 0
        if marks <= _MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


def is_placeholder(text: str) -> bool:
    """Return True where a text only fills its cell: punctuation or zeros alone, N/A, NIL, None, unknown, xxx ..."""
    core = _NO_LETTER_OR_DIGIT.sub("", to_line(text).casefold())
    return not core.strip("0") or core in _PLACEHOLDERS or bool(_EXES.fullmatch(core))


def to_value(text: str) -> str:
    """Return the text on one line, or "" where it is a placeholder."""
    line = to_line(text)
    return "" if is_placeholder(line) else line


def to_registration_number(text: str) -> str:
    """Return a registration number in upper case with single blanks, or "" where there is none ("0000", "nil")."""
    return to_line(to_value(text).upper())


def to_key(text: str) -> str:
    """Return what two spellings of one word share: letters and digits without case and accents, single blanks between.

    "HIV/PEP" gives "hiv pep", "Women's" gives "womens".
    """
    key = to_line(text).translate(_NO_APOSTROPHES).casefold()
    if not key.isascii():
        key = "".join(letter for letter in normalize("NFKD", key) if not combining(letter)).casefold()
    return " ".join(_NO_LETTER_OR_DIGIT.sub(" ", key).split())


def to_flag(text: str) -> bool | None:
    """Return what a yes/no cell says, or None where it is blank, a placeholder or neither.

    In such a cell 0 is a no, although is_placeholder() takes it for a filler elsewhere. "Not available" stays None: it
    may speak of the desk or of the answer.
    """
    key = to_key(text)
    if key in _YES:
        return True
    return False if key in _NO else None


def has_forbidden_characters(text: str) -> str:
    """Return what PostgreSQL cannot store in a text, "a NUL character" or "a lone surrogate"; "" where all is well."""
    if "\x00" in text:
        return "a NUL character"
    return "a lone surrogate" if _SURROGATE.search(text) else ""
