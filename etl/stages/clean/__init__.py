"""The cleaners: from text as a source wrote it to a value, or to nothing. Pure, and total on any text.

text.py        lines, placeholders, flags, comparison keys
names.py       facility names
phones.py      E.164
contacts.py    e-mail addresses, websites, cells that hold several things
positions.py   degrees

What a message may show of a value is core.masking's; the emergency and help lines are core.short_codes'; the
box Kenya lies in is geography.bounds'.
"""

from core.masking import mask, mask_contacts
from core.short_codes import SHORT_CODES, is_short_code
from etl.stages.clean.contacts import (
    ContactReading,
    EmailReading,
    split_contacts,
    to_email,
    to_emails,
    to_website,
)
from etl.stages.clean.names import to_name
from etl.stages.clean.phones import PhoneReading, is_hotline, split_phones_from_name, to_phones
from etl.stages.clean.positions import PositionReading, to_position
from etl.stages.clean.text import (
    has_forbidden_characters,
    is_placeholder,
    to_flag,
    to_key,
    to_line,
    to_registration_number,
    to_text,
    to_value,
)
from geography.bounds import lies_in_kenya

__all__ = [
    "SHORT_CODES",
    "ContactReading",
    "EmailReading",
    "PhoneReading",
    "PositionReading",
    "has_forbidden_characters",
    "is_hotline",
    "is_placeholder",
    "is_short_code",
    "lies_in_kenya",
    "mask",
    "mask_contacts",
    "split_contacts",
    "split_phones_from_name",
    "to_email",
    "to_emails",
    "to_flag",
    "to_key",
    "to_line",
    "to_name",
    "to_phones",
    "to_position",
    "to_registration_number",
    "to_text",
    "to_value",
    "to_website",
]
