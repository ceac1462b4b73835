"""Phone cells: every number in them as E.164 or short code, and what could not be read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import decimal

import phonenumbers

from core.short_codes import is_short_code
from etl.stages.clean.text import is_placeholder, to_key, to_line

LONGEST_CELL = 2000  # characters; the longest honest cell seen holds six numbers
_MOST_GROUPS = 40  # of digits in one run; "1 1 1 1 ..." is no list of numbers
_MOST_GROUPS_IN_A_NUMBER = 8  # +254 (0) 7 12 34 56 78

# What libphonenumber's metadata for KE calls mobile; a test walks all prefixes and compares. Parsing takes far longer.
_MOBILE = re.compile(r"(?:\+?254|0)?(7[0-9]{8}|1(?:0[0-8]|[18][0-9]|2[014]|3[05-9]|4[0-6])[0-9]{6})")
# Area codes of Kenya's fixed lines (metadata for KE; Communications Authority's numbering plan).
_AREA_CODES = frozenset({"20", *map(str, (*range(40, 47), *range(50, 63), *range(64, 70)))})
_BETWEEN_GROUPS = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212\uff0b", "------+")

_EXTENSION = r"(?:\bext(?:ension|n)?\b\.?|(?<=\d)\s*x)\s*:?\s*\d{1,5}(?!\d)(?:\s?[/,]\s?\d{1,4}(?!\d))*"
_NOTES = re.compile(rf"{_EXTENSION}|\b24\s*/\s*7\b|\b24\s?-?(?:hrs?|hours?)\b|\bn/a\b", re.IGNORECASE)
_SEPARATORS = re.compile(r"[/,;&|\r\n\v\f]|\b(?:or|and|au|na)\b", re.IGNORECASE)
_GLUED_LABEL = re.compile(r"\b(?:telephone|tel|phone|mobile|mob|cell|call|ocs|no)(?=[+\d])", re.IGNORECASE)
_GLUED = re.compile(r"[^\W\d_](?=\d)|(?<=\d)[^\W\d_]|[*#]|\bfax\b", re.IGNORECASE)
_RUN = re.compile(r"\+?[0-9]+(?:(?:[ .()_-]{1,4}\+?|\+)[0-9]+)*")
_GROUP = re.compile(r"\+?[0-9]+")
_LABELS = frozenset(
    {
        *("tel", "telephone", "phone", "phones", "mobile", "mob", "cell", "call", "line", "landline", "no", "number"),
        *("office", "contact", "contacts", "reception", "hotline", "helpline", "emergency", "toll", "free", "tollfree"),
        *("sms", "text", "whatsapp", "safaricom", "airtel", "telkom", "ocs", "ocpd", "hrs", "hours"),
        *("e", "email", "mail", "mailto", "address", "web", "website", "url", "site"),
    }
)
_LABEL_AT_END = re.compile(
    r"(?:^|(?<=[^\w]))(?:telephone|tel|phone|mobile|mob|cell|contacts?|call|ocs)\W*$", re.IGNORECASE
)
_SHARED_TAIL = re.compile(r"\s?/\s?[0-9]{1,3}(?![0-9])")
_AROUND = " -:,;/|.(["


@dataclass(frozen=True, slots=True)
class PhoneReading:
    """What a phone cell holds: E.164 numbers and short codes, each once; the parts nobody could read, as written."""

    contacts: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """Some groups of digits of a run: one number, or (empty `contact`) one group that belongs to none."""

    start: int
    end: int
    contact: str


def to_phones(text: str) -> PhoneReading:
    """Return all numbers of one cell, whether divided by / , ; & | "or" or new lines, or just one after the other.

    Labels, names and extensions beside a number are dropped. Nothing is made up: of "053 42045/6" the 6 is unreadable,
    and so is a number with the letter O for a zero, or with fewer digits than a Kenyan number has.
    """
    mobile = _MOBILE.fullmatch(text.replace(" ", "").replace("-", "")) if len(text) <= 20 else None
    if mobile:
        return PhoneReading((f"+254{mobile[1]}",))
    if len(text) > LONGEST_CELL:
        return PhoneReading((), (f"{to_line(text[:80])}...",))
    if is_placeholder(text):
        return PhoneReading()
    pieces = [_to_ascii_digits(to_line(piece)) for piece in _SEPARATORS.split(_NOTES.sub(";", text))]
    readings = [_read_piece(piece) for piece in pieces if not is_placeholder(piece)]
    contacts = dict.fromkeys(contact for reading in readings for contact in reading.contacts)
    return PhoneReading(tuple(contacts), tuple(part for reading in readings for part in reading.unreadable))


def _to_ascii_digits(line: str) -> str:
    """Return the line with every script's digits as 0-9 and every dash as "-"; its length does not change."""
    if line.isascii():
        return line
    return "".join(str(decimal(c)) if c.isdecimal() else c for c in line).translate(_BETWEEN_GROUPS)


def _read_piece(piece: str) -> PhoneReading:
    if not any(letter.isdigit() for letter in piece):
        return PhoneReading((), () if _LABELS.issuperset(to_key(piece).split()) else (piece,))
    bare = _GLUED_LABEL.sub("", piece)  # Tel0712000239
    if _GLUED.search(bare):  # O712000239, *483*306#, Fax 020 2000000
        return PhoneReading((), (piece,))
    contacts: list[str] = []
    unreadable: list[str] = []
    for run in _RUN.finditer(bare):
        parts = list(_read_run(run[0]))
        stray = [run[0][part.start : part.end] for part in parts if not part.contact]
        # Beside stray digits a short code may be the end of a broken number: "053 999".
        is_whole = all(is_placeholder(text) for text in stray)
        contacts += [part.contact for part in parts if part.contact and (is_whole or part.contact.startswith("+"))]
        unreadable += [
            run[0][part.start : part.end]
            for part in parts
            if not is_whole and not part.contact.startswith("+") and not is_placeholder(run[0][part.start : part.end])
        ]
    if not contacts:
        return PhoneReading((), (piece,))
    return PhoneReading(tuple(contacts), tuple(unreadable))


def _read_run(run: str) -> Iterator[_Part]:
    """Yield the parts of a run of digit groups, divided so that the fewest groups are left over.

    Of two such divisions the one with fewer numbers that lack 0 or +254 wins ("46 0722 000 448" ends in a mobile
    number), then the one with fewer numbers.
    """
    groups = [(hit[0], hit.start(), hit.end()) for hit in _GROUP.finditer(run)]
    if len(groups) > _MOST_GROUPS:
        yield _Part(0, len(run), "")
        return
    # best[i]: cost of dividing groups[i:], the end of its first part, and what that part reads
    best: list[tuple[tuple[int, int, int], int, str]] = [((0, 0, 0), 0, "")] * (len(groups) + 1)
    for i in reversed(range(len(groups))):
        left_over, bare, count = best[i + 1][0]
        best[i] = ((left_over + 1, bare, count), i + 1, "")
        for end, contact, is_bare in _numbers_from(groups, i):
            left_over, bare, count = best[end][0]
            best[i] = min(best[i], ((left_over, bare + is_bare, count + 1), end, contact))
    i = 0
    while i < len(groups):
        _, end, contact = best[i]
        yield _Part(groups[i][1], groups[end - 1][2], contact)
        i = end


def _numbers_from(groups: list[tuple[str, int, int]], first: int) -> Iterator[tuple[int, str, bool]]:
    """Yield (end, contact, lacks a prefix) for each number that begins with the group `first`."""
    written = ""
    for end in range(first + 1, min(len(groups), first + _MOST_GROUPS_IN_A_NUMBER) + 1):
        group = groups[end - 1][0]
        if written and group.startswith("+"):
            return
        written += group
        if end == first + 1 and is_short_code(written):
            yield end, written, False
        # "000 462" is the middle of a number, not an international prefix; "6 053 42045" is the tail of one and a number
        if end > first + 1 and (not groups[first][0].strip("0") or len(groups[first][0]) == 1):
            return
        contact = _to_e164(written)
        if contact:
            yield end, contact, not written.startswith(("+", "0", "254"))


@lru_cache(maxsize=16384)
def _to_e164(written: str) -> str:
    """Return digits with or without "+" in E.164, or "" where they are no number.

    Valid numbers of any country with "+" or "00"; of Kenya also with 0, with 254 or bare. A fixed line that is too
    short to be valid passes if its length is possible, its area code exists and 0 or 254 stands before it: numbers such
    as 041 222455 were never given their seventh digit. Seven or eight bare digits may lack their area code: none.
    """
    mobile = _MOBILE.fullmatch(written)
    if mobile:
        return f"+254{mobile[1]}"
    digits = written.lstrip("+")
    is_bare = not written.startswith(("+", "0", "254"))
    if not 7 <= len(digits) <= 17 or (is_bare and not 9 <= len(digits) <= 10):
        return ""
    if digits.startswith("00"):
        written = f"+{digits.lstrip('0')}"
    elif written.startswith("+0"):  # "+0712 000 239": no country code begins with 0
        written = digits
    try:
        number = phonenumbers.parse(written, "KE")
    except phonenumbers.NumberParseException:
        return ""
    if not _is_good(number, written):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _is_good(number: phonenumbers.PhoneNumber, written: str) -> bool:
    is_valid = bool(phonenumbers.is_valid_number(number))
    if number.country_code != 254:
        return is_valid
    if number.italian_leading_zero:  # +254 00 53 42045: a trunk 0 too many would stay in the number
        return False
    if not written.startswith(("+", "0", "254")):
        return is_valid
    is_fixed_line = str(number.national_number)[:2] in _AREA_CODES
    return is_valid or (is_fixed_line and bool(phonenumbers.is_possible_number(number)))


def is_hotline(value: str) -> bool:
    """Return True for a number that costs the caller nothing or little: a short code, 0800, their like abroad."""
    contacts = to_phones(value).contacts
    if len(contacts) != 1:
        return False
    if is_short_code(contacts[0]) or contacts[0].startswith("+254800"):
        return True
    if contacts[0].startswith("+254"):  # Kenya has no shared-cost numbers
        return False
    kind = phonenumbers.number_type(phonenumbers.parse(contacts[0], None))
    return kind in (phonenumbers.PhoneNumberType.TOLL_FREE, phonenumbers.PhoneNumberType.SHARED_COST)


def split_phones_from_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the name without the phone numbers in it, and these as written; kps_stations puts them behind a dash.

    A number that nobody can read leaves the name too if it begins with 0 and has seven digits or more. "Level 4",
    "Mile 46", "Clinic 2000" and short codes stay.
    """
    line = to_line(name)
    digits = _to_ascii_digits(line)
    kept: list[str] = []
    phones: list[str] = []
    position = scanned = 0
    while run := _RUN.search(digits, scanned):
        scanned = run.end()
        for part in _read_run(run[0]):
            start, end = run.start() + part.start, run.start() + part.end
            if not _is_phone_in_name(digits[start:end], part.contact):
                continue
            tail = _SHARED_TAIL.match(digits, end)  # "0711 000 462/3"
            end = tail.end() if tail else end
            kept.append(_without_label(line[position:start].lstrip(f"{_AROUND})]" if position else "")))
            phones.append(line[start:end])
            position = end
        scanned = max(scanned, position)
    if not phones:
        return name, ()
    kept.append(line[position:].lstrip(f"{_AROUND})]"))
    return " ".join(text for text in kept if text), tuple(phones)


def _is_phone_in_name(digits: str, contact: str) -> bool:
    is_like_one = digits.startswith(("0", "+")) and sum(map(str.isdigit, digits)) >= 7
    return contact.startswith("+") or (not contact and is_like_one)


def _without_label(text: str) -> str:
    """Return what stands between two numbers, without the separators and the "Tel:" next to them."""
    bare = text.rstrip(_AROUND)
    label = _LABEL_AT_END.search(bare[-20:])
    return bare[: len(bare) - len(bare[-20:]) + label.start()].rstrip(_AROUND) if label else bare
