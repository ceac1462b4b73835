"""What becomes of one raw record: who it is, what it says in canonical form, and every finding about it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog

from core.crypto import Decrypted, Unreadable, blind_index
from etl.errors import WrongKeyError
from etl.models import SourceRecordVersion
from etl.sources import Source
from etl.stages.canonical import to_canonical
from etl.stages.identity import name_hash, natural_key
from etl.stages.records import FacilityRecord, Finding, RawRecord, Reference, Severity, StagedFacility
from etl.stages.rules import find_rule_breaks
from etl.stages.survivors import find_survivor_members, without_survivors
from etl.stages.transform import adopt, standardise
from etl.stages.validate import find_schema_errors

log = structlog.get_logger(__name__)
_IS_NO_HEADING = re.compile(r"\d*|[a-z_]+")  # a place in a list, or a member's name
HIDES_WORDS = "{field} of a confidential place: {rule}; its words are not shown"
MOST_NAMED = 5  # members in one message


@dataclass(frozen=True, slots=True)
class FoundBy:
    """The columns by which matching finds a record without opening it."""

    county_code: str = ""
    identifier: str = ""
    number_index: str = ""
    contact_indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger writes of an assessed record: sealed payloads, findings; a rejected one is found by what it said before."""

    pointer: str
    raw: Decrypted
    standardised: Decrypted | None
    findings: tuple[Mapping[str, Any], ...]
    is_rejected: bool
    found_by: FoundBy


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A raw record, who it is and what it says, before anything is decided about it; `file_id` is that of its SourceFile.

    Of one that tells of a survivor only keyed hashes are left; `known_as` is then the key of the row that it has if the ledger
    knew it before, and is stored nowhere. `entry`: a worker assessed it already.
    """

    raw: RawRecord
    file_id: int
    staged: StagedFacility
    key: str
    name_hash: str
    content_hash: str
    known_as: str = ""
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What became of a record: its canonical form, and what was found on the way."""

    record: FacilityRecord | None
    findings: tuple[Finding, ...]
    is_hidden: bool = False

    @property
    def is_rejected(self) -> bool:
        return any(finding.severity is Severity.REJECT for finding in self.findings)


def assess(
    raw: RawRecord,
    staged: StagedFacility,
    *,
    source: Source,
    key: str,
    reference: Reference,
    is_hidden: bool = False,
) -> Assessment:
    """Return the canonical record and every finding: of the file, the raw schema, the transform, the rules, the schema.

    No finding quotes a record that is confidential, or that stands for a place that `is_hidden`.
    """
    if raw.findings:
        return Assessment(None, _located(raw.findings, raw))
    try:
        assessment = _assess(raw, staged, source=source, key=key, reference=reference)
    except Exception as error:  # one record that trips a rule must not stop the others
        log.exception("record unreadable", code="record-unreadable", source=source.name)
        return Assessment(None, _located([_unreadable(error)], raw))
    if is_hidden or (assessment.record and assessment.record.is_confidential):
        findings = tuple(_without_words(finding) for finding in assessment.findings)
        return replace(assessment, findings=findings, is_hidden=True)
    return assessment


def _assess(raw: RawRecord, staged: StagedFacility, *, source: Source, key: str, reference: Reference) -> Assessment:
    misshapen = find_schema_errors(raw.payload, schema=source.schema, rule="raw-schema", pointer=raw.pointer)
    if misshapen:
        return Assessment(None, misshapen)
    if source.take:
        transformed = adopt(source.take(raw, key), unread=staged.unread, reference=reference)
        broken = tuple(map(_as_kept, find_rule_breaks(transformed.record, reference)))
    else:
        transformed = standardise(staged, source=source.name, key=key, reference=reference)
        broken = find_rule_breaks(transformed.record, reference)
    findings = transformed.findings + broken
    if not any(finding.severity is Severity.REJECT for finding in findings):
        findings += find_schema_errors(
            to_canonical(transformed.record), schema="canonical_facility", rule="canonical-schema"
        )
    return Assessment(transformed.record, _located(findings, raw))


def _as_kept(finding: Finding) -> Finding:
    """Return a finding about a value that a registry held as a warning: a person set it there, and it is kept."""
    if finding.rule in {"lookup-unknown", "hierarchy-invalid"}:
        return finding  # no row could hold it
    return replace(finding, severity=Severity.WARNING, hint="look at the facility; the value was kept as it is")


def _unreadable(error: Exception) -> Finding:
    """Return the finding about a record that a mapping or a rule failed on."""
    message = f"cannot be read ({type(error).__name__}); nothing of it was loaded"
    return Finding("record-unreadable", Severity.REJECT, "record", message, hint="report this; the log has the details")


def _without_words(finding: Finding) -> Finding:
    """Return a finding about a confidential place without the words of its record: they may say where it is."""
    message = HIDES_WORDS.format(field=finding.field, rule=finding.rule)
    return replace(finding, message=message, value="", pointer=hide_headings(finding.pointer))


def hide_headings(pointer: str) -> str:
    """Return a pointer without the headings that a list stands under, such as a sub-county: "*" stands for each."""
    return "/".join(step if _IS_NO_HEADING.fullmatch(step) else "*" for step in pointer.split("/"))


def _located(findings: Iterable[Finding], raw: RawRecord) -> tuple[Finding, ...]:
    """Return the findings with the record's pointer where they have none of their own."""
    return tuple(finding if finding.pointer else replace(finding, pointer=raw.pointer) for finding in findings)


def read_record(file_id: int, raw: RawRecord, source: Source) -> ReadRecord:
    """Return a raw record with what it says and who it is; nothing reads one that tells of a survivor."""
    if members := find_survivor_members(raw.payload, raw.inherited, raw.pointer):
        return _kept_out(file_id, raw, source, members)
    try:
        staged = source.stage(raw)
    except Exception as error:  # as in assess()
        log.exception("record unreadable", code="record-unreadable", source=source.name)
        raw, staged = replace(raw, findings=(*raw.findings, _unreadable(error))), StagedFacility(name="")
    return ReadRecord(raw, file_id, staged, natural_key(staged), name_hash(staged), hash_content(raw))


def hash_content(raw: RawRecord) -> str:
    """Return the keyed hash by which the ledger knows what a record says, whatever the order of its members."""
    content = json.dumps([raw.payload, dict(raw.inherited)], sort_keys=True, default=str)
    return blind_index(content, purpose="record content")


def _kept_out(file_id: int, raw: RawRecord, source: Source, members: Sequence[str]) -> ReadRecord:
    """Return a record that tells of a survivor without anything that it says: a reject, known by keyed hashes."""
    try:
        staged = source.stage(replace(raw, payload=without_survivors(raw.payload), inherited={}))
    except Exception:  # noqa: BLE001 - its words may stand in the error, and it is rejected anyway
        staged = StagedFacility(name="")
    key = natural_key(staged)
    kept_out = replace(raw, payload=None, inherited={}, findings=(_survivor_data(members),))
    return ReadRecord(
        raw=kept_out,
        file_id=file_id,
        staged=StagedFacility(name=""),
        key=f"kept-out:{blind_index(key, purpose='record kept out')[:40]}",
        name_hash=blind_index(key, purpose="record kept out")[:16],
        content_hash=hash_content(raw),
        known_as=key,
    )


def _survivor_data(members: Sequence[str]) -> Finding:
    named = ", ".join(f'"{name}"' for name in members[:MOST_NAMED]) + (" and more" if len(members) > MOST_NAMED else "")
    message = f"it has {named}, which tells of a person; nothing of the record was stored"
    hint = "remove survivors' data at its source; this registry takes facilities only"
    return Finding("survivor-data", Severity.REJECT, "record", message, hint=hint)


def to_stored(raw: RawRecord) -> dict[str, Any]:
    """Return what the ledger keeps of a raw record; from_stored() makes a record of it again."""
    stored: dict[str, Any] = {"payload": raw.payload, "inherited": dict(raw.inherited)}
    return stored | {"findings": [asdict(finding) for finding in raw.findings]} if raw.findings else stored


def from_stored(version: SourceRecordVersion) -> RawRecord:
    """Return the raw record of a version, as its file gave it; raises WrongKeyError where no key opens it."""
    if isinstance(version.raw, Unreadable):
        message = f"version {version.pk} cannot be opened with FIELD_KEYS: add the key that it was written with"
        raise WrongKeyError(message)
    findings = tuple(
        Finding(**finding | {"severity": Severity(finding["severity"])}) for finding in version.raw.get("findings", ())
    )
    return RawRecord(
        source=version.source_record.source,
        file=version.source_file.name,
        pointer=version.pointer,
        payload=version.raw["payload"],
        inherited=version.raw["inherited"],
        findings=findings,
    )
