"""What each rule that rejects a record means, and what a person does about it, in plain words; a way out as admin has it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule's title, its meaning and the way out."""

    title: str
    means: str
    to_do: str


_AT_SOURCE = "Ask whoever keeps the list to mend the record, then import again. Discard it if it is no place at all."
_REPORT = "Report this: the log of the run has the details. Replay once it is mended."
RULE_WORDS: Mapping[str, RuleWords] = {
    "county-unknown": RuleWords(
        "County not found",
        "No county can be read off the record: its text is misspelt, names a town, or is not there.",
        "Say on its page which county its text means: that adds an alias and loads all that wrote it so. Where no county "
        "is given at all, mend it at the source.",
    ),
    "hierarchy-invalid": RuleWords(
        "Places that do not fit together",
        "Ward, constituency and county do not lie one inside the other.",
        _AT_SOURCE,
    ),
    "name-missing": RuleWords("No name", "The record has no name, or one without a letter.", _AT_SOURCE),
    "not-a-station": RuleWords(
        "Not a police station",
        "A heading, a NIL row or a blank line inside a list of stations.",
        "Look at a few, then discard them: there is nothing to load.",
    ),
    "position-invalid": RuleWords("Position outside Kenya", "Its coordinates lie outside Kenya.", _AT_SOURCE),
    "contact-invalid": RuleWords(
        "Contact of no valid form", "A contact is no phone number, short code or e-mail address.", _AT_SOURCE
    ),
    "lookup-unknown": RuleWords(
        "Not in a list of ours",
        "A type, status, service or contact type is not in the registry's own lists.",
        "Add the word as an alias of a list's row (Lists and people), then replay.",
    ),
    "raw-schema": RuleWords(
        "Of another shape", "A member is missing, of another type, or longer than its source's schema allows.", _AT_SOURCE
    ),
    "canonical-schema": RuleWords(
        "Cannot be stored", "What the record came to breaks the registry's schema, such as a name that is too long.",
        _AT_SOURCE,
    ),
    "survivor-data": RuleWords(
        "Tells of a survivor",
        "The record has members that tell of a person. Nothing of it was stored.",
        "Remove survivors' data at its source. This registry takes facilities only.",
    ),
    "record-not-an-object": RuleWords("No record", "Something else stands where a record should.", _AT_SOURCE),
    "record-too-long": RuleWords("Too long", "The record is longer than any of ours, and was not read.", _AT_SOURCE),
    "duplicate-key": RuleWords("A member twice", "One member stands twice in the record: which counts?", _AT_SOURCE),
    "forbidden-character": RuleWords(
        "Forbidden character", "A text holds a character that no database text can hold.", _AT_SOURCE
    ),
    "place-confidential": RuleWords(
        "Speaks of a confidential place", "An export may not speak of one.", "Take the record out of the file."
    ),
    "code-repeated": RuleWords(
        "A facility code twice", "Two records of an export have one code.", "Leave the right one in the file."
    ),
    "record-unreadable": RuleWords("Cannot be read", "A mapping or a rule failed on the record.", _REPORT),
    "database-refused": RuleWords("Refused by the database", "The database would not take the record.", _REPORT),
}  # fmt: skip
ACCEPT_SHORTER = "Accept a list that became much shorter"
ACCEPT_OTHER_SHAPE = "Accept a list of another shape"
OF_PLACES = frozenset({"county-unknown"})  # the page of a reject offers to add an alias
_OTHER = RuleWords("", "The record breaks this rule.", _AT_SOURCE)


def words_of(rule: str) -> RuleWords:
    """Return a rule in words; of an unknown one, what to do with any."""
    return RULE_WORDS.get(rule, _OTHER)


# what the command line says -> what is to be done in admin
_IN_ADMIN = (
    (
        "add the spelling to fixtures/place_aliases.csv, run load_geography, then import again",
        "say under Rejects, on its own page, what it means; or add the spelling under Place aliases, then import again",
    ),
    ("add the spelling to fixtures/place_aliases.csv", "add the spelling under Place aliases, then import again"),
    ("; add an alias, then `rejects replay --waiting`", ": open one and say what its place text means"),
    (
        "if that is right, import it with --allow-shrink",
        f'is it the right source? If so, choose the file again and tick "{ACCEPT_SHORTER}"',
    ),
    (
        "mend its mapping, or import it with --on-drift warn",
        f'is it the right source? If so, choose the file again and tick "{ACCEPT_OTHER_SHAPE}"',
    ),
    ("more, see `quality_report`", "more: is it the right list?"),
)


def in_admin(text: str) -> str:
    """Return a sentence of the command line with the way out that there is in admin."""
    for told, instead in _IN_ADMIN:
        text = text.replace(told, instead)
    return text
