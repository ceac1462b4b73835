"""What a rehearsed run did, place by place, read from its trail before it is rolled back; nothing in it is protected.

Of a confidential place it says county, type, and which fields change. Contacts are masked.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from core.crypto import decrypt
from core.masking import mask
from core.models import FACILITY_ID, AuditEntry
from etl.lock import session_of
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.rule_words import in_admin
from etl.shown_records import read_kinds, show
from etl.stages.records import Severity
from facilities.models import Facility
from facilities.protection import A_CONFIDENTIAL_PLACE
from facilities.timeline import Names, RowChange, row_change

MOST_REJECTED, MOST_CHANGED, MOST_NEW, MOST_UNDONE = 500, 1000, 500, 2000  # listed; all are counted
_PROTECTED_DETAILS = "protected details"
_CHILDREN = {
    "facility_contacts": "contact",
    "facility_services": "service",
    "facility_coordinates": "position",
}
_SHOWN_OF_CHILD = {"contact": "contact value", "service": "service category"}
_ABOUT_NEW = ("level", "ownership", "town", "opening hours", "website", "operational status", "constituency", "ward")
Item = dict[str, Any]


def preview_run(run: ImportRun) -> dict[str, Any]:
    """Return {"counts": {kind: n}, "items": [...]} of a run that is still open to look at: rejects, changes, new places."""
    created = set(_entries(run).filter(table_name="facilities", operation="INSERT").values_list("record_id", flat=True))
    touched = {int(pk) for pk in _touched(run) if pk}
    changed = sorted(touched - created)
    rejected = SourceRecord.objects.filter(last_seen_run=run, outcome=SourceRecord.Outcome.REJECTED)
    same = SourceRecord.objects.filter(last_seen_run=run, outcome=SourceRecord.Outcome.UNCHANGED)
    items = [*_rejected_items(rejected), *_changed_items(run, changed), *_new_items(sorted(created))]
    told = sum(item["kind"] == "changed" for item in items)
    in_all = len(changed) if len(changed) > MOST_CHANGED else told  # those beyond were not looked at
    counts = {"rejected": rejected.count(), "changed": in_all, "new": len(created), "same": same.count()}
    return {"counts": counts, "items": items}


def preview_undo(removed: Sequence[str], restored: Sequence[str], kept: Mapping[str, str]) -> dict[str, Any]:
    """Return the same of an undo: facility codes that would go, that would say again what they said, that are kept and why."""
    counts = {"kept": len(kept), "removed": len(removed), "restored": len(restored)}
    kinds = [
        *(("kept", code, kept[code]) for code in sorted(kept)),
        *(("removed", code, "") for code in removed),
        *(("restored", code, "") for code in restored),
    ][:MOST_UNDONE]
    places = Facility.objects.filter(facility_code__in=[code for _, code, _ in kinds]).select_related("county")
    by_code = {place.facility_code: place for place in places}
    return {
        "counts": counts,
        "items": [
            {"kind": kind, **_place(by_code.get(code), code), "lines": [], "note": why} for kind, code, why in kinds
        ],
    }


def _entries(run: ImportRun) -> Any:
    return AuditEntry.objects.filter(session_id=session_of(run))


def _touched(run: ImportRun) -> Collection[str | None]:
    """Return the facilities whose rows the run wrote, or the rows of their contacts, services and position."""
    rows = _entries(run).filter(table_name__in=["facilities", *_CHILDREN])
    return set(rows.annotate(facility=FACILITY_ID).values_list("facility", flat=True))


def _place(facility: Facility | None, code: str) -> Item:
    if facility is None:
        return {"code": code, "title": "", "where": "", "type": ""}
    title = A_CONFIDENTIAL_PLACE if facility.is_confidential else mask(facility.facility_name)
    where, kind = facility.county.county_name, str(facility.facility_type or "")
    return {"code": code, "title": title, "where": where, "type": kind}


# rejected


def _rejected_items(records: Any) -> Iterator[Item]:
    """Yield each reject as its own page shows it: without its words unless it is known to be open."""
    versions = SourceRecordVersion.objects.filter(pk__in=records.values("latest_version")).order_by("pk")
    listed = versions.select_related("source_record__facility", "source_file").defer("raw")[:MOST_REJECTED]
    kinds = read_kinds()
    for version in listed:
        shown = show(version, kinds)
        reasons = [f for f in shown.findings if f["severity"] == Severity.REJECT.value]
        yield {
            "kind": "rejected",
            "source": version.source_record.source,
            "file": version.source_file.name,
            "pointer": shown.pointer,
            "reasons": [{part: in_admin(f[part]) for part in ("rule", "message", "pointer", "hint")} for f in reasons],
        }


# changed


def _changed_items(run: ImportRun, facilities: Sequence[int]) -> Iterator[Item]:
    """Yield each place with the fields that would say something else; one whose rows end as they began is left out."""
    listed = facilities[:MOST_CHANGED]
    places = Facility.objects.select_related("county", "facility_type").in_bulk(listed)
    about = _entries(run).annotate(facility=FACILITY_ID).filter(facility__in=[str(pk) for pk in listed])
    # of the order of places, so that equal ones follow one another; within a place the oldest first
    rows = about.filter(table_name__in=["facilities", *_CHILDREN]).order_by("facility", "audit_id")
    found = list(rows)
    names = Names.of_entries(found)
    for pk, entries in groupby(found, key=lambda entry: int(entry.facility)):
        place = places.get(pk)
        lines = _lines(entries, names, is_confidential=place is None or place.is_confidential)
        if lines:
            yield {"kind": "changed", **_place(place, place.facility_code if place else ""), "lines": lines, "note": ""}


def _lines(entries: Iterable[AuditEntry], names: Names, *, is_confidential: bool) -> list[list[str]]:
    """Return [field, old, new] for each field; of a confidential place the field alone."""
    fields: dict[str, tuple[str, str]] = {}
    children: list[list[str]] = []
    for entry in entries:
        if is_confidential:
            children += [[label, "", ""] for label in _labels(entry, names)]
            continue
        change = row_change(entry, names, is_confidential=False)
        if entry.table_name in _CHILDREN:
            children += _child_lines(_CHILDREN[entry.table_name], change)
            continue
        for line in change.lines:
            before, _ = fields.get(line.label, (line.before, ""))
            fields[line.label] = (before, line.after)
    own = [[label, mask(old), mask(new)] for label, (old, new) in fields.items() if old != new or old == "hidden"]
    return list(map(list, dict.fromkeys(map(tuple, [*own, *children]))))


def _labels(entry: AuditEntry, names: Names) -> Iterator[str]:
    """Yield what an entry changes of a confidential place, without any value."""
    if entry.table_name in _CHILDREN:
        yield _CHILDREN[entry.table_name]
        return
    for line in row_change(entry, names, is_confidential=True).lines:
        if line.label.replace("_", " ") == "sealed details":
            if _says_something_else(entry):
                yield _PROTECTED_DETAILS
        else:
            yield line.label


def _says_something_else(entry: AuditEntry) -> bool:
    """Return whether sealed details differ in what they say: the same text is sealed anew with every save."""
    tokens = ((image or {}).get("sealed_details") for image in (entry.old_values, entry.new_values))
    old, new = (token and str(decrypt(token, column="facilities.sealed_details")) for token in tokens)
    return old != new


def _child_lines(what: str, change: RowChange) -> Iterator[list[str]]:
    if what == "position":
        sides = [[line for line in change.lines if line.label in {"latitude", "longitude"}]]
        before, after = (", ".join(filter(None, (getattr(x, side) for x in sides[0]))) for side in ("before", "after"))
        yield [what, before, after]
        return
    shown = [line for line in change.lines if line.label == _SHOWN_OF_CHILD[what]]
    if shown:
        yield [what, mask(shown[0].before), mask(shown[0].after)]
    else:
        yield [what, "", "marked as the first of its kind" if what == "contact" else "active or not"]


# new


def _new_items(facilities: Sequence[int]) -> Iterator[Item]:
    listed = facilities[:MOST_NEW]
    children = ("contacts__contact_type", "services__service_category")
    related = ("county", "constituency", "ward", "facility_type", "operational_status")
    places = Facility.objects.filter(pk__in=listed).select_related(*related).prefetch_related(*children)
    for place in places.order_by("facility_code"):
        services = ", ".join(sorted(str(s.service_category) for s in place.services.all()))
        lines = [["services", "", services]] if services else []
        if not place.is_confidential:
            lines = [*_open_lines(place), *lines]
        yield {"kind": "new", **_place(place, place.facility_code), "lines": lines, "note": ""}


def _open_lines(place: Facility) -> list[list[str]]:
    said = [(label, getattr(place, label.replace(" ", "_"))) for label in _ABOUT_NEW]
    said += [(str(contact.contact_type).lower(), contact.contact_value) for contact in place.contacts.all()]
    return [[label, "", mask(str(value))] for label, value in said if value not in (None, "")]
