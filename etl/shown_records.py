"""What a page may show of a version in the ledger: everything masked of an open place, of any other one nothing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.anonymise import anonymise_address
from core.crypto import Unreadable
from core.masking import mask
from etl.assessment import from_stored, hide_headings, read_record
from etl.models import SourceRecordVersion
from etl.sealing import hidden
from etl.sources import EVERY_SOURCE
from etl.stages import clean
from etl.stages.canonical import from_canonical
from etl.stages.records import FacilityRecord, StagedFacility
from facilities.models import FacilityType
from facilities.protection import A_CONFIDENTIAL_PLACE, OPEN_KINDS, gives_shelter


class Openness(StrEnum):
    """Whether what a record says may be shown."""

    OPEN = "open"
    CONFIDENTIAL = "confidential"
    UNKNOWN = "unknown"  # it cannot be read far enough to tell, so it is treated as confidential


NOT_KNOWN_TO_BE_OPEN = "not known to be an open place"
_MAY_HIDE_A_SHELTER = frozenset({"facility-type-unknown", "service-unknown"})
# Their messages name members and lengths, never a value: see find_schema_errors() and decoding.py.
_QUOTES_NOTHING = frozenset(
    {
        "raw-schema", "canonical-schema", "survivor-data", "record-unreadable", "database-refused", "duplicate-key",
        "forbidden-character", "record-not-an-object", "place-confidential", "code-repeated",
    }
)  # fmt: skip
_MEMBER = re.compile(r"[a-z_/\d]*")
_LABELS: Mapping[str, str] = {
    "name": "Name", "facility_type": "Type", "county": "County", "constituency": "Constituency",
    "sub_county": "Sub-county", "ward": "Ward", "town": "Town", "location_text": "Location", "address": "Address",
    "status": "Status", "level": "Level", "ownership": "Ownership", "opening_hours": "Opening hours",
    "website": "Website", "gender_desk": "Gender desk", "registration_number": "Registration number",
    "identifier": "National code", "latitude": "Latitude", "longitude": "Longitude",
}  # fmt: skip
_STREETS = frozenset({"address", "location_text"})  # no mask recognises a street


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """What a page shows of a version: its place in a few words, where it stands, what was found."""

    openness: Openness
    place: str
    pointer: str
    findings: tuple[Mapping[str, Any], ...]

    @property
    def is_open(self) -> bool:
        return self.openness is Openness.OPEN


def read_kinds() -> dict[str, str]:
    """Return the kind (health, police ...) of each facility type, by its code."""
    return dict(FacilityType.objects.values_list("code", "kind"))


def show(version: SourceRecordVersion, kinds: Mapping[str, str]) -> ShownRecord:
    """Return what may be shown of a version; it opens the canonical form, and reads nothing but `source_record.facility`."""
    said = _said(version)
    openness = _openness(version, said, kinds)
    if openness is Openness.OPEN and said:
        return ShownRecord(openness, mask(said.name) or "without a name", version.pointer, tuple(version.findings))
    place = A_CONFIDENTIAL_PLACE if openness is Openness.CONFIDENTIAL else NOT_KNOWN_TO_BE_OPEN
    findings = tuple(_without_words(finding) for finding in version.findings)
    return ShownRecord(openness, place, hide_headings(version.pointer), findings)


def _said(version: SourceRecordVersion) -> FacilityRecord | None:
    if version.standardised is None or isinstance(version.standardised, Unreadable):
        return None
    return from_canonical(version.standardised)


def _openness(version: SourceRecordVersion, said: FacilityRecord | None, kinds: Mapping[str, str]) -> Openness:
    record = version.source_record
    kind = kinds.get(said.facility_type, "") if said else ""
    if record.facility and record.facility.is_confidential:
        return Openness.CONFIDENTIAL
    if said and (said.is_confidential or gives_shelter(kind, said.services)):
        return Openness.CONFIDENTIAL
    is_overtaken = (
        record.latest_version_id != version.pk and record.facility_id is None
    )  # a newer one may say otherwise
    if said is None or is_overtaken:
        return Openness.UNKNOWN
    is_understood = not _MAY_HIDE_A_SHELTER & {finding["rule"] for finding in version.findings}
    is_told = bool(kind or said.services)
    return Openness.OPEN if kind in OPEN_KINDS or (is_understood and is_told) else Openness.UNKNOWN


def _without_words(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    pointer = finding.get("pointer", "")
    names_members = pointer == hide_headings(pointer) and bool(_MEMBER.fullmatch(finding["field"]))
    is_plain = names_members and finding["rule"] in _QUOTES_NOTHING
    return finding if is_plain else hidden(dict(finding))


def fields_as_read(version: SourceRecordVersion, *, tells_streets: bool) -> Sequence[tuple[str, str]]:
    """Return (label, text) of what the source wrote, contacts masked; only for a version that is open.

    Without `tells_streets` a text that may be an address only says that it is there.
    """
    return list(_fields(staged_of(version), tells_streets=tells_streets))


def staged_of(version: SourceRecordVersion) -> StagedFacility:
    """Return the source's own text of a version; raises WrongKeyError where no key opens it."""
    source = EVERY_SOURCE[version.source_record.source]
    return read_record(version.source_file_id, from_stored(version), source).staged


def _fields(staged: StagedFacility, *, tells_streets: bool) -> Iterator[tuple[str, str]]:
    for name, label in _LABELS.items():
        text = clean.to_value(getattr(staged, name))
        if text and name in _STREETS and not tells_streets:
            yield label, anonymise_address(text) or ""
        elif text and not (name == "address" and getattr(staged, name) == staged.location_text):
            yield label, mask(text)
    if staged.services:
        yield "Services", "; ".join(mask(text) for text in staged.services)
    for contact in staged.contacts:
        yield f"Contact ({mask(contact.kind)})", mask(contact.value)
    if staged.unread:
        yield "Read by no mapping", mask(", ".join(staged.unread))
