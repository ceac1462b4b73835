"""What an export for the public shows of a value that reaches a person: its shape, never the value."""

import re
from unicodedata import decimal

MASK = "***"
COUNTRY = "+254"
FEWEST_DIGITS = 9  # of a number that shows its last ones: of 722000639 six stay hidden
LAST_SHOWN = 3  # digits
LONGEST_HIDDEN = 2  # letters of a name, or before the @, of which none is shown
MOST_DIGITS_IN_HOST = 3  # more may be somebody's number

_EMAIL = re.compile(r"([^@\s]+)@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})")


def anonymise_phone(phone: str | None) -> str | None:
    """Return +254***639 for a number; *** for a short code and whatever has fewer than nine digits; nothing for nothing."""
    if not phone:
        return phone
    digits = "".join(str(decimal(letter)) for letter in phone if letter.isdecimal())
    country = COUNTRY if phone.startswith(COUNTRY) else ""
    if len(digits) - len(country.lstrip("+")) < FEWEST_DIGITS:
        return _not_whole(MASK, phone)
    return _not_whole(f"{country}{MASK}{digits[-LAST_SHOWN:]}", phone)


def anonymise_email(email: str | None) -> str | None:
    """Return a***b@example.or.ke for an address, ***@example.or.ke for a short one; *** for what is none."""
    if not email:
        return email
    parts = _EMAIL.fullmatch(email)
    if parts is None or sum(map(str.isdigit, parts[2])) > MOST_DIGITS_IN_HOST:
        return _not_whole(MASK, email)
    local, host = parts.groups()
    shown = f"{local[0]}{MASK}{local[-1]}" if len(local) > LONGEST_HIDDEN else MASK
    return _not_whole(f"{shown}@{host}", email)


def anonymise_name(name: str | None) -> str | None:
    """Return J*** W*** for a person's name; a word of one or two letters is hidden whole."""
    if not name:
        return name
    words = (f"{word[0]}{MASK}" if word.isalpha() and len(word) > LONGEST_HIDDEN else MASK for word in name.split())
    return _not_whole(" ".join(words), name)


def anonymise_address(address: str | None) -> str | None:
    """Return *** for any address: no part of it is sure to be harmless, and the town has a column of its own."""
    return _not_whole(MASK, address) if address else address


def _not_whole(masked: str, value: str) -> str:
    """Return the masked value unless the value stands in it whole: "a***b@example.or.ke" is its own mask."""
    if value not in masked:
        return masked
    return MASK if value not in MASK else ""
