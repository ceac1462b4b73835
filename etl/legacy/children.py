"""What belongs to a legacy facility - services, contacts, positions - as our facility would have it; what cannot be is listed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from etl.legacy.database import LegacyRow
from etl.legacy.ground import Ground
from etl.stages import clean
from etl.stages.legacy import to_accuracy, to_words
from etl.stages.records import Accuracy, Contact, Position

SERVICES, CONTACTS, POSITIONS = "facility_services", "facility_contacts", "facility_coordinates"


@dataclass(frozen=True, slots=True)
class LegacyService:
    """A service that a facility has, by its code."""

    row: LegacyRow
    code: str
    is_active: bool


@dataclass(slots=True)
class LegacyContact:
    """A contact of a facility; `row` is None for what stood beside another one in its cell, or in the facility's name."""

    row: LegacyRow | None
    contact: Contact
    is_primary: bool


@dataclass(slots=True)
class Reached:
    """How a facility is reached: its contacts, and the first web address among them."""

    contacts: list[LegacyContact] = field(default_factory=list)
    website: str = ""


def read_services(rows: Sequence[LegacyRow], ground: Ground) -> list[LegacyService]:
    """Return the services of a facility, each once."""
    first: dict[str, LegacyService] = {}
    for row in rows:
        code = ground.code_of("service_categories", row.values.get("service_category_id"))
        if not code:
            ground.books.list(SERVICES, row, "its service category is not in the file, or was listed")
        elif code in first:
            ground.books.list(SERVICES, row, f"it is the same as {SERVICES} {first[code].row.label}")
        else:
            first[code] = LegacyService(row, code, ground.flag(SERVICES, row, "is_active", otherwise=True))
    return list(first.values())


def read_contacts(rows: Sequence[LegacyRow], *, in_name: Sequence[Contact], is_hidden: bool, ground: Ground) -> Reached:
    """Return the contacts of a facility, each once, one primary of a type at most; values normalised as imports do.

    `in_name` are those that stood in the facility's name.
    """
    reached = Reached()
    for row in rows:
        kind = ground.code_of("contact_types", row.values.get("contact_type_id"))
        _read_contact(row, kind, reached, is_hidden=is_hidden, ground=ground)
    known = {one.contact for one in reached.contacts}
    reached.contacts += [LegacyContact(None, contact, is_primary=False) for contact in in_name if contact not in known]
    return reached


def _read_contact(row: LegacyRow, kind: str, reached: Reached, *, is_hidden: bool, ground: Ground) -> None:
    """Add the contacts of a row; `kind` is "" where its type points nowhere: a number is worth keeping without it."""
    books = ground.books
    text = clean.to_value(to_words(row.values.get("contact_value")))
    found, websites = _values(kind or "phone", text)
    if not found:
        books.list(CONTACTS, row, _why_no_contact(kind, text, websites, reached, is_hidden=is_hidden))
        if kind and websites and not reached.website:
            reached.website = websites[0]
        return
    here = {one.contact: one for one in reached.contacts}
    if found[0] in here:
        same = here[found[0]]
        where = f"{CONTACTS} {same.row.label}" if same.row else "a number that stood beside another one"
        books.list(CONTACTS, row, f"it is the same as {where}")
        return
    wanted = ground.flag(CONTACTS, row, "is_primary", otherwise=False)
    has_one = any(one.is_primary and one.contact.type == found[0].type for one in reached.contacts)
    if wanted and has_one:
        books.note(CONTACTS, row, "its facility has a primary contact of its type already; it is not primary now")
    reached.contacts.append(LegacyContact(row, found[0], wanted and not has_one))
    others = [contact for contact in found[1:] if contact not in here]
    reached.contacts += [LegacyContact(None, contact, is_primary=False) for contact in dict.fromkeys(others)]
    if others:
        books.note(CONTACTS, row, f"it holds {len(others)} more, which have rows of their own now")
    if not kind:
        books.note(
            CONTACTS,
            row,
            f"its contact type is not in the file, or was listed; it is {found[0].type}, as its value says",
        )
    elif found[0].type != kind:
        books.note(CONTACTS, row, f"its type was {kind}, and is {found[0].type}, as its value says")


def _why_no_contact(kind: str, text: str, websites: Sequence[str], reached: Reached, *, is_hidden: bool) -> str:
    """Return why a row is listed in whose value no contact was found."""
    if not kind:
        return "its contact type is not in the file, or was listed, and its value does not tell it"
    if websites:
        stands = "the facility has another one" if reached.website else "it stands as the facility's website now"
        return f"it is a web address: {stands}"
    if not text:
        return "it is blank"
    shown = f"'{clean.mask(text)}' is" if not is_hidden and _has_contact_shape(text) else "it is"
    return f"{shown} no Kenyan phone number, short code or e-mail address"


def _has_contact_shape(text: str) -> bool:
    """Return whether a text is a number or an address for mail, which masking knows; words may be a street."""
    return not any(letter.isalpha() for letter in text) or ("@" in text and " " not in text)


def _values(kind: str, text: str) -> tuple[list[Contact], tuple[str, ...]]:
    """Return the contacts that a cell holds, and its web addresses, read as an import reads them.

    A type that is not ours by birth ("fax") keeps its numbers.
    """
    if kind == "email":
        cell = clean.ContactReading(emails=clean.to_emails(text).emails)
        cell = cell if cell.emails else clean.split_contacts(text)
    else:
        cell = clean.split_contacts(text)
    own = {"phone", "hotline", "email"}
    phones = [
        Contact(kind if kind not in own else "hotline" if clean.is_hotline(phone) else "phone", phone)
        for phone in cell.phones
    ]
    emails = [Contact("email", email) for email in cell.emails]
    return (emails + phones if kind == "email" else phones + emails), cell.websites


def read_position(rows: Sequence[LegacyRow], ground: Ground) -> tuple[LegacyRow, Position] | None:
    """Return the first position of a facility that lies in Kenya, with its row; the others are listed."""
    found: tuple[LegacyRow, Position] | None = None
    for row in rows:
        reading = clean.to_position(to_words(row.values.get("latitude")), to_words(row.values.get("longitude")))
        if reading.position is None:
            ground.books.list(POSITIONS, row, _WHY_NO_POSITION[reading.problem])
        elif found:
            ground.books.list(POSITIONS, row, f"its facility has a position already, {POSITIONS} {found[0].label}")
        else:
            if reading.problem:
                ground.books.note(POSITIONS, row, "it had latitude and longitude exchanged; they were put right")
            accuracy = to_accuracy(row.values.get("accuracy_level"), otherwise=reading.position.accuracy.value)
            found = row, replace(reading.position, accuracy=Accuracy(accuracy))
    return found


_WHY_NO_POSITION = {
    "coordinates-missing": "it holds no degrees",
    "coordinates-incomplete": "it lacks one of latitude and longitude",
    "coordinates-unreadable": "it is not a pair of degrees",
    "coordinates-zero": "it is (0, 0), which is no place in Kenya",
    "coordinates-outside-kenya": "it lies outside Kenya",
}
