"""The number of a row, as an address or a form names it."""

_LONGEST = 18  # digits: more may be beyond a bigint


def row_number(text: str) -> int:
    """Return the number that a text is; 0, which no row has, where it is none or could be no row's."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _LONGEST
    return int(text) if is_number else 0
