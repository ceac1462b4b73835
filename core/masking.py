"""What a message or a log line may show of a value: never a whole phone, short code, e-mail address or P.O. box."""

import re

from core.short_codes import SHORT_CODE_PATTERN

# Control characters that are no white space; soft hyphen, zero-width and bidi marks, byte-order mark, tags; surrogates.
# Cells copied from a phone's address book carry \u202a around the number.
INVISIBLE = (
    r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)

LONGEST = 80  # characters of a masked value
_LOOKED_AT = 400  # characters: masking shortens, so more is read than shown
_FEWEST_DIGITS = 7  # of a phone number; "07220" is shown as it is

_EMAIL_EDGE = r"\s@<>()\[\],;:\"'/|"
_WRITTEN_AT = r"[\[(]\s?at\s?[\])]\s?"
_EMAIL = re.compile(
    rf"(?<![^{_EMAIL_EDGE}])([^{_EMAIL_EDGE}]++)(?:\s?{_WRITTEN_AT}(?=[^.{_EMAIL_EDGE}]++\.[a-z])|\s?@)"
    rf"[^{_EMAIL_EDGE}]*+(?:@[^{_EMAIL_EDGE}]*+)*+",
    re.IGNORECASE,
)
_AFTER_LAST_AT = re.compile(rf"(@|{_WRITTEN_AT})([^@]*)\Z", re.IGNORECASE)
# Up to four characters between two digits that a number may be written with, invisible ones included; no comma and no
# colon, which divide the items of a list and the parts of a time.
_DATE = r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)"  # of a time stamp, is no number
_PHONE = re.compile(
    rf"(?P<date>{_DATE})|"
    rf"\+?\d(?:[\s.()\-\u2010-\u2015\u2212_/+{INVISIBLE}]{{0,4}}+\d){{{_FEWEST_DIGITS - 1},}}+"
)
_SHORT_CODE = re.compile(rf"(?<![\w./+-])(?:{SHORT_CODE_PATTERN})(?![\w/-]|\.\d)")
_BOX = re.compile(r"\b(p\.?\s?o\.?\s?box|s\.?\s?l\.?\s?p\.?)([\s.:#no-]{0,8})\d(?:[\s-]{0,4}+\d)*+", re.IGNORECASE)
_UNSHOWN = re.compile(rf"[{INVISIBLE}]|[^\S ]")  # every white space but the blank is shown as an escape


def mask(value: str) -> str:
    """Return a value as a message may show it: one line of 80 characters at most, contacts masked, controls as escapes.

    A street is not recognised: do not quote addresses. Words, places and numbers of fewer than 7 digits pass unharmed.
    """
    shown = value[:_LOOKED_AT]
    if len(value) > _LOOKED_AT:  # the cut may have halved an address
        shown = shown.rpartition(" ")[0] or shown
    line = _UNSHOWN.sub(_to_escape, mask_contacts(shown))
    is_cut = len(line) > LONGEST or len(value) > _LOOKED_AT
    return f"{line[: LONGEST - 1]}\u2026" if is_cut else line


def mask_contacts(text: str) -> str:
    """Return a text of any length with the contacts in it masked: 0712***39, j***@example.or.ke, ***, P.O. Box ***.

    Linear in the length of the text: every quantifier is possessive or bounded.
    """
    masked = _EMAIL.sub(_mask_email, text) if "@" in text or "at" in text else text
    if not any(letter.isdigit() for letter in masked):
        return masked
    masked = _BOX.sub(r"\1\2***", masked)
    return _SHORT_CODE.sub("***", _PHONE.sub(_mask_phone, masked))


def _mask_email(hit: re.Match[str]) -> str:
    """Return the first letter of the part before the @ (none of one or two) and the host."""
    host = _AFTER_LAST_AT.search(hit[0])
    first = hit[1][0] if len(hit[1]) > 2 else ""
    return f"{first}***{host[1]}{host[2]}" if host else "***"


def _mask_phone(hit: re.Match[str]) -> str:
    """Return the first four digits and the last two, fewer of a short number, so that four at least stay hidden."""
    if hit["date"]:
        return hit[0]
    digits = [letter for letter in hit[0] if letter.isdigit()]
    plus = "+" if hit[0].startswith("+") else ""
    return f"{plus}{''.join(digits[: max(1, min(4, len(digits) - 6))])}***{''.join(digits[-2:])}"


def _to_escape(hit: re.Match[str]) -> str:
    return hit[0].encode("unicode_escape").decode("ascii")
