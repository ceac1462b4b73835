"""What a column holds, where its model does not say so: "table.column", or a pattern; the first that fits counts."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

WORDS: Mapping[str, str] = {
    "counties.county_name": "as the gazetteer spells it",
    "counties.county_code": "001 to 047, the official number",
    "constituencies.constituency_name": "as the gazetteer spells it",
    "constituencies.constituency_code": "001 to 290, the official number",
    "wards.ward_name": "as the gazetteer spells it",
    "wards.ward_code": "0001 to 1450",
    "place_aliases.alias": "the other spelling",
    "place_aliases.evidence": "why it is believed",
    "*.code": "stable: files, rules and scripts name it",
    "*.aliases": "what sources write for it",
    "facility_types.kind": "what it is in the large: two kinds are never one place",
    "operational_statuses.status_name": "for people",
    "service_categories.category_name": "for people",
    "*_types.type_name": "for people",
    "facilities.facility_code": "for good: GVRC- and three groups, the same on any machine (ADR 3)",
    "facilities.registration_number": "unique where a source states one; NULL, never blank",
    "facilities.facility_name": "as the source that is believed spells it",
    "facilities.town": "the town or market, as stated",
    "facilities.address": "street or plot, as stated",
    "facilities.level": "the health ministry's level, as stated",
    "facilities.ownership": "as stated",
    "facilities.opening_hours": "as stated; never read as times",
    "facilities.website": "begins with http:// or https://",
    "facilities.has_gender_desk": "whether the police station has one; NULL: nobody says",
    "facilities.is_active": "whether it is in service",
    "facilities.created_by": "the person, or the import's user",
    "facilities.updated_by": "the person, or the import's user",
    "facility_services.is_active": "whether it is offered today",
    "facility_contacts.contact_value": "E.164, a short code, or an e-mail address",
    "facility_contacts.value_index": "keyed hash of the value: finds it, opens nothing",
    "facility_contacts.is_primary": "whether it is the one to try first, of its type",
    "facility_contacts.verified_by": "who reached the place by it",
    "facility_coordinates.latitude": "degrees, south is negative",
    "facility_coordinates.longitude": "degrees, east is positive",
    "retired_codes.retired_code": "the code that keeps resolving",
    "retired_codes.facility_id": "the facility that stands for it now",
    "retired_codes.facility_was": "the number of its own row, which a split brings back",
    "retired_codes.was_*": "of the facility that was merged away, before",
    "retired_codes.into_was_*": "of the one that stayed, before",
    "*.session_id": "the run, request or command that changed it",
    "pins.target": "a column, the position, or one child",
    "import_runs.host": "the machine that worked on it",
    "import_runs.pid": "the process that worked on it",
    "import_runs.options": "what it was asked to do",
    "*.error": "the line that says why it was refused or failed",
    "run_requests.state_since": "when it came into this state",
    "run_requests.data_dir": "the folder of the files; of an upload its own",
    "run_requests.sources": "what is to be imported; empty: all",
    "run_requests.allow_*": "whether a person accepted that",
    "run_requests.deactivate_missing": "as the command's option",
    "*.source": "a name of EVERY_SOURCE, or `entered`: by a person",
    "source_files.name": "the file's name in its folder",
    "source_files.sha256": "of its bytes",
    "source_files.size_bytes": "of the file",
    "source_files.records": "how many it holds",
    "source_records.key": "the source's own identifier, or a hash of name, county and sub-place: never a position",
    "source_records.occurrence": "0, 1 ...: which of the records under one key",
    "source_records.facility_id": "the facility that it stands for; NULL while it was never loaded",
    "source_records.missing_since_id": "the first run that did not list it any more",
    "source_record_versions.raw": "the record as the file gave it, with what it inherits",
    "source_record_versions.standardised": "the canonical record that it came to",
    "source_record_versions.findings": "what was found: rule, severity, field, message, hint; values masked",
    "source_record_versions.loaded_in_id": "the run that loaded it, which may be a later one",
    "source_record_versions.settled_at": "when it was loaded, replaced, discarded or undone",
    "duplicate_pairs.first_id": "one record, the smaller number",
    "duplicate_pairs.second_id": "the other record",
    "duplicate_pairs.reason": "why it is asked, in words",
    "quality_snapshots.metrics": "the five metrics with numerator and denominator",
    "quality_snapshots.profile": "the profile: counts and shares",
    "quality_snapshots.anomalies": "what is odd in the registry as a whole",
    "quality_snapshots.recommendations": "what to do next",
    "users.password": "a slow hash",
    "users.first_name": "of the person",
    "users.last_name": "of the person",
    "users.email": "of the person",
    "users.last_login": "when the person logged in last",
    "users.date_joined": "when the account was made",
    "audit_trail.table_name": "where the row stands",
    "audit_trail.record_id": "the number of the row",
    "audit_trail.old_values": "the row before; sealed columns as tokens",
    "audit_trail.new_values": "the row after; sealed columns as tokens",
    "audit_trail.changed_by": "who changed it; NULL: a hand at the database",
    "access_log.at": "when it was asked",
    "key_checks.text_index": "keyed hash of the text",
}


class UnexplainedError(Exception):
    """A column of ours is explained nowhere."""


def own_words_of(column: str) -> str:
    """Return what WORDS says of a column, "" where it says nothing."""
    return next((words for pattern, words in WORDS.items() if fnmatchcase(column, pattern)), "")


def words_of(column: str, field: Any) -> str:
    """Return what a column holds by its kind; raises UnexplainedError where that does not say it."""
    name = str(field.name).replace("_", " ")
    if field.primary_key:
        return "the row's number, in this database only"
    if field.is_relation:
        return f"the {name}"
    if name.endswith(" at"):
        return f"when it was {name.removesuffix(' at')}"
    message = f"{column} is explained nowhere: give it a help_text, or words in docs/generate/column_words.py"
    raise UnexplainedError(message)
