"""How much of what is worth knowing of a facility is recorded, and what is not, in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# what Facility.known names -> what a person calls it
WORTH_HAVING: Mapping[str, str] = MappingProxyType(
    {
        "facility_type": "a type",
        "constituency": "a constituency",
        "ward": "a ward",
        "operational_status": "a status",
        "registration_number": "a registration number",
        "opening_hours": "opening hours",
        "address": "an address",
        "contacts": "a contact",
        "services": "services",
        "position": "a position",
    }
)


@dataclass(frozen=True, slots=True)
class Completeness:
    """The percentage of what is worth having that is recorded, and the rest."""

    percent: int
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.percent} %, missing: {', '.join(self.missing)}" if self.missing else f"{self.percent} %"


def completeness(known: Mapping[str, object]) -> Completeness:
    """Return how complete a facility is of which this is known; what is empty is missing."""
    missing = tuple(words for name, words in WORTH_HAVING.items() if not known.get(name))
    return Completeness(100 * (len(WORTH_HAVING) - len(missing)) // len(WORTH_HAVING), missing)
