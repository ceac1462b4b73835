"""One pass over facilities -> the document's profile: completeness, uniqueness, distribution, by field and by source."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from etl.stages.records import Share

MOST_VALUES = 50  # of a distribution; the rest are counted together
MOST_DISTINCT = 2000  # values of one field that are counted one by one
OTHER = "(others)"
UNKNOWN = "(not stated)"
FIELDS = (
    "facility_name", "facility_code", "registration_number", "county", "constituency", "ward", "facility_type", "status",
    "services", "contacts", "position", "address", "town", "level", "ownership", "opening_hours", "website",
    "has_gender_desk",
)  # fmt: skip
# of closed lists only: what a source writes freely may be said of a place that turns confidential later
DISTRIBUTED = ("county", "facility_type", "status", "services", "accuracy")
UNIQUE = ("facility_code", "registration_number", "name in county", "position", "contact")


@dataclass(frozen=True, slots=True)
class FacilityFacts:
    """What the profile looks at of one facility in service.

    `stated`: the FIELDS that it states; `sealed`: those that cannot be told, since the place is confidential. `values`: what is
    counted by value (one or several of each field of DISTRIBUTED). `keys`: what should be unique, as text, by UNIQUE.
    """

    sources: tuple[str, ...]
    stated: frozenset[str]
    sealed: frozenset[str]
    values: Mapping[str, tuple[str, ...]]
    keys: Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class _Fill:
    stated: Counter[str] = field(default_factory=Counter)
    sealed: Counter[str] = field(default_factory=Counter)
    facilities: int = 0

    def add(self, facts: FacilityFacts) -> None:
        self.facilities += 1
        self.stated.update(facts.stated)
        self.sealed.update(facts.sealed)

    def shares(self) -> dict[str, Share]:
        return {name: Share(self.stated[name], self.facilities - self.sealed[name]) for name in FIELDS}


class Profiler:
    """What was seen of the facilities so far. Memory: 8 bytes a value that should be unique, and bounded counters."""

    def __init__(self) -> None:
        self._all = _Fill()
        self._by_source: dict[str, _Fill] = {}
        self._values: dict[str, Counter[str]] = {name: Counter() for name in DISTRIBUTED}
        self._hashes: dict[str, array[int]] = {name: array("Q") for name in UNIQUE}

    def add(self, facts: FacilityFacts) -> None:
        """Count one facility."""
        self._all.add(facts)
        for source in facts.sources:
            self._by_source.setdefault(source, _Fill()).add(facts)
        for name, values in facts.values.items():
            counter = self._values[name]
            for value in values or (UNKNOWN,):
                known = value in counter or len(counter) < MOST_DISTINCT
                counter[value if known else OTHER] += 1
        for name, keys in facts.keys.items():
            self._hashes[name].extend(_hash(key) for key in keys)

    def profile(self) -> dict[str, Any]:
        """Return the profile as JSON."""
        return {
            "total_records": self._all.facilities,
            "completeness": _as_json(self._all.shares()),
            "uniqueness": _as_json({name: _distinct(hashes) for name, hashes in self._hashes.items()}),
            "distribution": {name: _commonest(counter) for name, counter in self._values.items()},
            "by_source": {
                source: {"facilities": fill.facilities, "completeness": _as_json(fill.shares())}
                for source, fill in sorted(self._by_source.items())
            },
        }


def profile_facilities(facilities: Iterable[FacilityFacts]) -> dict[str, Any]:
    """Return the profile of facilities, each read once."""
    profiler = Profiler()
    for facts in facilities:
        profiler.add(facts)
    return profiler.profile()


def _hash(text: str) -> int:
    """Return 64 bits of a text: among a million, two texts share them by a chance of 1 in 37 million."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _distinct(hashes: "array[int]") -> Share:
    return Share(len(np.unique(np.frombuffer(hashes, dtype=np.uint64))) if hashes else 0, len(hashes))


def _commonest(counter: Counter[str]) -> dict[str, int]:
    shown = dict(counter.most_common(MOST_VALUES))
    rest = counter.total() - sum(shown.values())
    return shown | ({OTHER: shown.get(OTHER, 0) + rest} if rest else {})


def _as_json(shares: Mapping[str, Share]) -> dict[str, dict[str, float | int | None]]:
    return {name: share.as_json() for name, share in shares.items()}
