"""Every type that flows between the stages, in the order in which a record meets them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from etl.stages.names import FacilityName
from geography.gazetteer import Gazetteer


class Severity(StrEnum):
    """What a finding means for its record."""

    REJECT = "reject"  # the record cannot be loaded
    WARNING = "warning"  # loaded, but a value was left out or is in doubt
    REPAIR = "repair"  # loaded, and a value was put right


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or was put right, about one record.

    `pointer` is a JSON pointer inside the file, `value` is masked (see clean.mask), `hint` says what to do.
    """

    rule: str
    severity: Severity
    field: str
    message: str
    pointer: str = ""
    value: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something about the registry as a whole that wants a look; `facilities` are the codes of the first open places of it."""

    rule: str
    field: str
    message: str
    hint: str
    facilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole: how many of how many."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> float | None:
        """0..100, None where there is nothing to measure; 100 is said of a whole only."""
        if not self.denominator:
            return None
        rounded = round(100 * self.numerator / self.denominator, 2)
        return rounded if rounded < 100 or self.numerator == self.denominator else 99.99

    def as_json(self) -> dict[str, float | int | None]:
        """Return the share as reports show it."""
        return {"percent": self.percent, "numerator": self.numerator, "denominator": self.denominator}


@dataclass(frozen=True, slots=True)
class PathProfile:
    """What stands at one path of a file's records: how often, of which JSON types, how often null or blank."""

    path: str
    records: int
    types: tuple[str, ...]
    nulls: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the records of a raw shape lie, and what they inherit.

    `path` leads from the top of the document to one record. Each step is a member's name ("regions"), "[]" (each item of
    a list) or "{name}" (each member of an object; its key is inherited as `name`).
    ("police_stations", "{region}", "{county}", "{sub_county}", "[]") is the police file.
    Scalars that stand beside a step of the path are inherited under their own key, the innermost winning.
    `record_keys` are member names by which one bare record is told from a document of another shape.
    """

    path: tuple[str, ...]
    record_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A file that was read once and found sound.

    `late` holds the inherited values that stand after the records they apply to, by the JSON pointer of their container.
    """

    path: Path
    sha256: str
    size_bytes: int
    records: int
    path_taken: tuple[str, ...]
    late: Mapping[str, Mapping[str, str]]
    profile: tuple[PathProfile, ...]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as the file gave it. `payload` is an object unless the file holds something else in its place."""

    source: str
    file: str
    pointer: str
    payload: Any
    inherited: Mapping[str, str]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class StagedContact:
    """A contact as the source wrote it; `kind` is what the source calls it (phone, ocs, hotline ...)."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class StagedFacility:
    """The source's own text under the canonical names; nothing cleaned, nothing resolved, nothing dropped.

    `default_type` is the kind of place every record of the source is unless it says otherwise.
    `location_text` is free text that may name a county; `sub_place` is what tells two places of one name apart.
    `confidential_unless_known`: a place of this source whose type is not known is taken for one that must stay hidden.
    `unread` names the members of the raw record that no line of the source's mapping read or ignored.
    """

    name: str
    identifier: str = ""
    registration_number: str = ""
    facility_type: str = ""
    default_type: str = ""
    county: str = ""
    constituency: str = ""
    sub_county: str = ""
    ward: str = ""
    town: str = ""
    address: str = ""
    location_text: str = ""
    sub_place: str = ""
    latitude: str = ""
    longitude: str = ""
    contacts: tuple[StagedContact, ...] = ()
    services: tuple[str, ...] = ()
    status: str = ""
    level: str = ""
    ownership: str = ""
    opening_hours: str = ""
    gender_desk: str = ""
    website: str = ""
    confidential: str = ""
    confidential_unless_known: bool = False
    unread: tuple[str, ...] = ()


class Accuracy(StrEnum):
    """How near a position is to the door."""

    EXACT = "exact"  # four decimals or more: within about 11 m
    APPROXIMATE = "approximate"  # fewer decimals
    PLACE_CENTRE = "place-centre"  # the middle of a town or ward


@dataclass(frozen=True, slots=True)
class Position:
    """A point in degrees, WGS 84."""

    latitude: Decimal
    longitude: Decimal
    accuracy: Accuracy


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """One way to reach a facility: `type` is a contact type's code, `value` is normalised (E.164, lower-case e-mail)."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class FacilityRecord:
    """One source record, cleaned and resolved: what the ledger keeps and the golden record is folded from.

    `facility_code` is the code this record would give a facility of its own. Empty text means unknown. `is_active`: a facility
    that it founds is in service. `unmarked` names the types of contact of which not even the first is the primary one.
    """

    source: str
    key: str
    facility_code: str
    name: str
    facility_type: str
    county_code: str
    constituency_code: str = ""
    ward_code: str = ""
    identifier: str = ""
    registration_number: str = ""
    town: str = ""
    address: str = ""
    level: str = ""
    ownership: str = ""
    opening_hours: str = ""
    website: str = ""
    status: str = ""
    has_gender_desk: bool | None = None
    is_confidential: bool = False
    position: Position | None = None
    contacts: tuple[Contact, ...] = ()
    services: tuple[str, ...] = ()
    is_active: bool = True
    unmarked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """A closed list of codes and the texts that stand for them; `code_by_text` is keyed by clean.to_key()."""

    codes: frozenset[str]
    code_by_text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a run knows before it reads the first record. `kind_by_type`: facility type code -> health, police ..."""

    gazetteer: Gazetteer
    facility_types: Lookup
    kind_by_type: Mapping[str, str]
    services: Lookup
    statuses: Lookup
    contact_types: Lookup


class Verdict(StrEnum):
    """The three answers to whether two records are one place."""

    MERGE = "merge"
    REVIEW = "review"
    DISTINCT = "distinct"


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """What matching looks at of one source record; `code` is the facility code that it would found.

    `order` (source precedence, key, code, occurrence) ranks records the same way on every machine. `facility` is the facility it
    already stands for. `is_missing`: its source lists it no more. `contacts` are private ones only, in any stable form, `emails`
    those of them that are e-mails: what many facilities give tells none from another and is left out. `point` is in degrees,
    true to within `blur_km`. Of a place that `is_hidden` no score may tell how far another one is from it. `is_exported`: it
    is a facility of a registry, which told it from its others.
    """

    order: tuple[int, str, str, int]
    source: str
    key: str
    code: str
    facility: int | None
    is_new: bool
    name: FacilityName
    facility_type: str
    kind: str
    county: str
    constituency: str = ""
    ward: str = ""
    identifier: str = ""
    registration_number: str = ""
    point: tuple[float, float] | None = None
    blur_km: float = 0.0
    contacts: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    is_missing: bool = False
    is_hidden: bool = False
    is_exported: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records (by their place in a list), the verdict and what it rests on.

    `score` 0..1 is the sum of `features`, each feature's part in it; `veto` says what speaks against one place whatever else.
    """

    first: int
    second: int
    score: float
    verdict: Verdict
    reason: str
    features: Mapping[str, float] = field(default_factory=dict)
    veto: str = ""
