"""Who a record is: its natural key inside its source, and the code it would give a facility of its own."""

from base64 import b32encode
from hashlib import sha256

from etl.stages.clean import to_key, to_value
from etl.stages.records import StagedFacility

# 60 bits: two of a million facilities share a code with a probability of 4 in ten million.
CODE_LETTERS = 12


def natural_key(staged: StagedFacility) -> str:
    """Return what names a record for as long as its source lists it: "id:<its own identifier>" or "text:<40 hex digits>".

    The hash covers the source's own words for name, county and place within it, before any alias is applied, so that a
    new alias never changes an identity; never a position in the file.
    """
    identifier = to_value(staged.identifier)
    if identifier:
        return f"id:{identifier[:77]}"
    words = (staged.name, staged.county, staged.sub_place)
    return f"text:{sha256('|'.join(to_key(word) for word in words).encode('utf-8', 'replace')).hexdigest()[:40]}"


def name_hash(staged: StagedFacility) -> str:
    """Return 16 hex digits over name and type: what tells two records apart that their list gives one key."""
    words = f"{to_key(staged.name)}|{to_key(staged.facility_type)}"
    return sha256(words.encode("utf-8", "replace")).hexdigest()[:16]


def facility_code(staged: StagedFacility, *, source: str, key: str, county_code: str) -> str:
    """Return the code of a facility founded by this record, such as GVRC-7K3M-9QX2-4HTB; the same on any machine.

    Name, type and county take part beside the key: a list that gives two places one national code founds two facilities.
    """
    words = "|".join((source, key, name_hash(staged), county_code))
    letters = b32encode(sha256(words.encode("utf-8", "replace")).digest()).decode()[:CODE_LETTERS]
    return f"GVRC-{letters[:4]}-{letters[4:8]}-{letters[8:]}"
