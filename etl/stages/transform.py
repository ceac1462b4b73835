"""StagedFacility + Reference -> FacilityRecord: names cleaned, places resolved, contacts read, nothing invented."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from etl.stages import clean
from etl.stages.identity import facility_code
from etl.stages.records import (
    Contact,
    FacilityRecord,
    Finding,
    Lookup,
    Position,
    Reference,
    Severity,
    StagedFacility,
)
from facilities.protection import gives_shelter
from geography.gazetteer import How, Level, Match, Resolution

ADD_ALIAS = "add the spelling to fixtures/place_aliases.csv, run load_geography, then import again"
MEND = "mend the value at its source"


@dataclass(frozen=True, slots=True)
class Transformed:
    """A record in canonical form and what was found on the way; it loads only if no finding rejects it."""

    record: FacilityRecord
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Contacts:
    """What a record's contact cells hold, in their order."""

    contacts: list[Contact] = field(default_factory=list)
    websites: list[str] = field(default_factory=list)


def standardise(staged: StagedFacility, *, source: str, key: str, reference: Reference) -> Transformed:
    """Return the canonical record of a staged one; name and county are empty where it has none that can be read."""
    findings: list[Finding] = []
    raw_name, phones_in_name = clean.split_phones_from_name(staged.name)
    name = clean.to_name(raw_name)
    facility_type = _read_type(staged, name, reference, findings)
    reached = _read_contacts(staged, phones_in_name, findings)
    resolution = _resolve_place(staged, reference, findings)
    county_code = resolution.county.code if resolution.county else ""
    services = _read_services(staged, reference, findings)
    kind = reference.kind_by_type.get(facility_type, "")
    findings += _unread(staged.unread)
    record = FacilityRecord(
        source=source,
        key=key,
        facility_code=facility_code(staged, source=source, key=key, county_code=county_code),
        name=name,
        facility_type=facility_type,
        county_code=county_code,
        constituency_code=resolution.constituency.code if resolution.constituency else "",
        ward_code=resolution.ward.code if resolution.ward else "",
        identifier=clean.to_value(staged.identifier),
        registration_number=clean.to_registration_number(staged.registration_number),
        town=clean.to_value(staged.town),
        address=clean.to_value(staged.address),
        level=clean.to_value(staged.level),
        ownership=clean.to_value(staged.ownership),
        opening_hours=clean.to_value(staged.opening_hours),
        website=_read_website(staged, reached, findings),
        status=_look_up(staged.status, reference.statuses, "status", findings),
        has_gender_desk=clean.to_flag(staged.gender_desk),
        is_confidential=_is_confidential(staged, kind=kind, facility_type=facility_type, services=services),
        position=_read_position(staged, findings),
        contacts=tuple(reached.contacts),
        services=services,
    )
    return Transformed(record, tuple(findings))


def adopt(record: FacilityRecord, *, unread: tuple[str, ...], reference: Reference) -> Transformed:
    """Return a record that is canonical already as it is, confidential where any source's would be."""
    kind = reference.kind_by_type.get(record.facility_type, "")
    hidden = replace(record, is_confidential=record.is_confidential or gives_shelter(kind, record.services))
    return Transformed(hidden, (*_unread(unread), *_unknown_contact_types(record, reference)))


def _unknown_contact_types(record: FacilityRecord, reference: Reference) -> Iterator[Finding]:
    for kind in dict.fromkeys(contact.type for contact in record.contacts):
        if kind not in reference.contact_types.codes:
            message = f"'{clean.mask(kind)}' is not in the list of known ones"
            yield Finding("lookup-unknown", Severity.REJECT, "contacts", message, hint=MEND)


def _unread(names: tuple[str, ...]) -> Iterator[Finding]:
    if names:
        yield _warning("member-unread", "record", "is read by no mapping", ", ".join(names))


def _read_type(staged: StagedFacility, name: str, reference: Reference, findings: list[Finding]) -> str:
    """Return the type that the source states, else the one its name ends in, else what its source lists."""
    stated = _look_up(staged.facility_type, reference.facility_types, "facility_type", findings)
    return stated or _type_in_name(name, reference) or staged.default_type


def _type_in_name(name: str, reference: Reference) -> str:
    """Return the type whose words stand in the name: the longest, and of two the later ("Iten Hospital Police Post")."""
    padded = f" {clean.to_key(name)} "
    hits = [
        (len(words), padded.rfind(f" {words} "), code)
        for words, code in reference.facility_types.code_by_text.items()
        if f" {words} " in padded
    ]
    return max(hits)[2] if hits else ""


def _look_up(text: str, lookup: Lookup, column: str, findings: list[Finding]) -> str:
    value = clean.to_value(text)
    if not value:
        return ""
    code = lookup.code_by_text.get(clean.to_key(value), "")
    if not code:
        rule = f"{column.replace('_', '-')}-unknown"
        findings.append(
            _warning(rule, column, "is not in the list of known ones", value, hint="add it as an alias of a lookup")
        )
    return code


def _read_contacts(staged: StagedFacility, phones_in_name: tuple[str, ...], findings: list[Finding]) -> _Contacts:
    reached = _Contacts()
    cells = [(contact.kind, contact.value) for contact in staged.contacts]
    cells += [("phone", phone) for phone in phones_in_name]
    for kind, text in cells:
        value = clean.to_value(text)
        if value:
            _read_cell(kind, value, reached, findings)
    reached.contacts = list(dict.fromkeys(reached.contacts))
    return reached


def _read_cell(kind: str, text: str, reached: _Contacts, findings: list[Finding]) -> None:
    """Add what one contact cell holds: numbers, addresses and websites, alone or together."""
    if kind == "email":
        emails = clean.to_emails(text)
        cell = clean.ContactReading(emails=emails.emails, unreadable=emails.unreadable)
    else:
        cell = clean.split_contacts(text)
    reached.contacts += [Contact("hotline" if clean.is_hotline(phone) else "phone", phone) for phone in cell.phones]
    reached.contacts += [Contact("email", email) for email in cell.emails]
    reached.websites += cell.websites
    for part in cell.unreadable:
        rule = "email-unreadable" if kind == "email" or "@" in part else "phone-unreadable"
        what = "is no e-mail address" if rule == "email-unreadable" else "is no Kenyan phone number or known short code"
        findings.append(_warning(rule, "contacts", what, part))


def _read_website(staged: StagedFacility, reached: _Contacts, findings: list[Finding]) -> str:
    stated = clean.to_value(staged.website)
    if stated and not clean.to_website(stated):
        findings.append(_warning("website-unreadable", "website", "is no web address", stated))
    return clean.to_website(stated) or next(iter(reached.websites), "")


def _read_services(staged: StagedFacility, reference: Reference, findings: list[Finding]) -> tuple[str, ...]:
    """Return the codes of the services that the source states, no others; what is not known is reported."""
    codes: dict[str, None] = {}
    for text in staged.services:
        for code, words in _service_codes(clean.to_value(text), reference):
            if code:
                codes[code] = None
            else:
                findings.append(
                    _warning(
                        "service-unknown",
                        "services",
                        "is not in the list of known services",
                        words,
                        hint="add it as an alias of a service category",
                    ),
                )
    return tuple(codes)


def _service_codes(text: str, reference: Reference, separators: str = ";|,&/") -> Iterator[tuple[str, str]]:
    """Yield (code, words); a text that is no service is cut at one separator after the other: "HIV/PEP" is one service."""
    if not text:
        return
    code = reference.services.code_by_text.get(clean.to_key(text), "")
    if code or not separators:
        yield code, text
    else:
        for part in text.split(separators[0]):
            yield from _service_codes(clean.to_value(part), reference, separators[1:])


def _read_position(staged: StagedFacility, findings: list[Finding]) -> Position | None:
    reading = clean.to_position(staged.latitude, staged.longitude)
    words = {
        "coordinates-swapped": "had latitude and longitude exchanged; they were put right",
        "coordinates-zero": "is (0, 0), which is no place in Kenya; it was left out",
        "coordinates-outside-kenya": "lies outside Kenya; it was left out",
        "coordinates-unreadable": "is not a pair of degrees; it was left out",
        "coordinates-incomplete": "lacks one of latitude and longitude; it was left out",
    }
    if reading.problem in words:
        severity = Severity.REPAIR if reading.position else Severity.WARNING
        findings.append(
            Finding(reading.problem, severity, "position", f"the position {words[reading.problem]}", hint=MEND),
        )
    return reading.position


def _is_confidential(staged: StagedFacility, *, kind: str, facility_type: str, services: tuple[str, ...]) -> bool:
    """Return True for shelters and rescue centres, for whoever gives shelter, and where the source says anything but no."""
    return (
        gives_shelter(kind, services)
        or (bool(clean.to_value(staged.confidential)) and clean.to_flag(staged.confidential) is not False)
        or (staged.confidential_unless_known and not facility_type)
    )


def _resolve_place(staged: StagedFacility, reference: Reference, findings: list[Finding]) -> Resolution:
    resolution = reference.gazetteer.resolve(
        county=clean.to_value(staged.county),
        constituency=clean.to_value(staged.constituency),
        sub_county=clean.to_value(staged.sub_county),
        ward=clean.to_value(staged.ward),
        location_text=staged.location_text,
    )
    findings += [finding for match in resolution.matches for finding in _place_findings(match, reference)]
    if not resolution.county and not any(finding.rule == "county-unknown" for finding in findings):
        message = "no county is given, and no county can be read off the location"
        findings.append(Finding("county-unknown", Severity.REJECT, "county", message, hint=MEND))
    return resolution


def _place_findings(match: Match, reference: Reference) -> Iterator[Finding]:
    if match.problem:
        severity = Severity.REJECT if match.level is Level.COUNTY else Severity.WARNING
        yield Finding(
            rule=match.problem,
            severity=severity,
            field=match.level.value,
            message=_place_message(match, reference),
            value=clean.mask(match.given),
            hint=ADD_ALIAS,
        )
    elif match.how is How.FUZZY and match.place:
        message = f"'{clean.mask(match.given)}' was read as {reference.gazetteer.path(match.place)}"
        yield Finding(f"{match.level.value}-misspelt", Severity.REPAIR, match.level.value, message, hint=MEND)


def _place_message(match: Match, reference: Reference) -> str:
    given = clean.mask(match.given)
    places = "; ".join(reference.gazetteer.path(place) for place in match.candidates)
    if "-outside-" in match.problem:
        return f"'{given}' lies elsewhere: {places}; the upper level stands and {match.level.value} stays empty"
    nearest = f"; nearest: {places}" if places else ""
    return f"'{given}' cannot be resolved to one {match.level.value}{nearest}"


def _warning(rule: str, column: str, what: str, value: str, *, hint: str = MEND) -> Finding:
    masked = clean.mask(value)
    return Finding(rule, Severity.WARNING, column, f"'{masked}' {what}", value=masked, hint=hint)
