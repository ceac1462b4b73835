"""What of a confidential place is protected: its open columns hold stand-ins, and one sealed column holds what they said."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Self

A_CONFIDENTIAL_PLACE = "a confidential place"
HIDDEN = "hidden"  # what pages show of one value
# What stands in the open columns of a confidential place. Its address and contacts are sealed for every place; its position
# lies in a sealed column of its own. What is left tells no way to it: type, county, status, level, services.
STAND_INS: Mapping[str, str | None] = MappingProxyType(
    {
        "facility_name": A_CONFIDENTIAL_PLACE,
        "registration_number": None,
        "constituency_id": None,
        "ward_id": None,
        "town": "",
        "ownership": "",
        "opening_hours": "",
        "website": "",
    }
)


# Places of these kinds may offer shelter without being one.
OPEN_KINDS = frozenset({"health", "police", "office"})


def gives_shelter(kind: str, services: Collection[str]) -> bool:
    """Return whether a place is confidential by what it is: a shelter, or whoever gives shelter and is of no open kind."""
    return kind == "shelter" or ("shelter" in services and kind not in OPEN_KINDS)


class SealedError(ValueError):
    """What is protected of a confidential place cannot be read, and so not be changed: no key opens it."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is protected of a confidential place, as text; "" where there is nothing. Places are codes of the gazetteer."""

    facility_name: str
    registration_number: str
    constituency_code: str
    ward_code: str
    town: str
    ownership: str
    opening_hours: str
    website: str

    def to_text(self) -> str:
        """Return the JSON that is sealed."""
        return json.dumps(asdict(self), ensure_ascii=True, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what to_text() wrote; what a later version added is empty."""
        said = json.loads(text)
        return cls(**{field.name: str(said.get(field.name) or "") for field in fields(cls)})
