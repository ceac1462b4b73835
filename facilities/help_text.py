"""What find_help() answers, as lines for a terminal and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from facilities.find_help import Answer, Found


def as_json(answer: Answer) -> dict[str, Any]:
    """Return the object of `find_facilities --json`."""
    places = [asdict(place) | {"verified": place.verified, "contacts": _contacts(place)} for place in answer.places]
    for place in places:
        del place["pk"]
    return {
        "hotlines": [asdict(line) for line in answer.hotlines],
        "places": places,
        "confidential": answer.confidential,
        "remarks": list(answer.remarks),
    }


def _contacts(place: Found) -> list[dict[str, Any]]:
    return [{"type": c.type, "value": c.value, "verified": c.verified} for c in place.contacts]


def as_lines(answer: Answer) -> Iterator[str]:
    """Yield the answer for a person to read, help lines first."""
    yield f"Help lines: {'; '.join(f'{line.number} {line.answers}' for line in answer.hotlines)}"
    for number, place in enumerate(answer.places, start=1):
        yield ""
        yield from _place(number, place)
    if not answer.places:
        yield "No open place in service states this. Try another service, or a larger area, or call a help line."
    yield from filter(None, ("", answer.confidential, *answer.remarks))


def _place(number: int, place: Found) -> Iterator[str]:
    title = f"{number}. {place.name}{f' ({place.type})' if place.type else ''}"
    yield f"{title}, {place.distance}" if place.distance else title
    yield f"   {place.place}; {place.code}"
    if place.remark:
        yield f"   {place.remark}"
    for contact in place.contacts:
        yield f"   {contact.type}: {contact.value} (verified: {contact.verified})"
    if not place.contacts:
        yield "   no contact is recorded"
    if place.opening_hours:
        yield f"   open: {place.opening_hours}"
    if place.has_gender_desk:
        yield "   has a gender desk"
    yield f"   services: {', '.join(place.services)}"
