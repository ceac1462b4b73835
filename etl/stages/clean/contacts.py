"""E-mail addresses, websites, and cells that hold several ways to reach a place."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from etl.stages.clean.phones import LONGEST_CELL, to_phones
from etl.stages.clean.text import is_placeholder, to_key, to_line, to_value

# RFC 5321: 64 octets before the @, 254 in all. Narrower than RFC 5322 on purpose: no quotes, no comments, no bare
# domains, ASCII only; an address outside this shape is more often a typing error than an address.
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,24}|xn--[a-z0-9-]{2,59})"
_EMAIL = re.compile(rf"[a-z0-9_][a-z0-9_%+'-]{{0,63}}(?:\.[a-z0-9_%+'-]{{1,64}}){{0,20}}@{_HOST}")
_EMAIL_LABEL = re.compile(r"(?:mailto|e-?mail(?: address)?)\s*[:=]\s*", re.IGNORECASE)
_EMAIL_SEPARATORS = re.compile(r"[\s,;/|&<>()\[\]]+")
_NOT_AVAILABLE = re.compile(r"\bn/a\b", re.IGNORECASE)  # its slash would divide it
_LABELS = frozenset({"", "email", "e", "mail", "mailto", "address", "website", "web", "site", "url", "or", "and"})

_LONGEST_WEBSITE = 200  # characters of a URLField
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?![0-9])", re.IGNORECASE)
_WEB_HOST = re.compile(_HOST)
_WEB_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")
# Without scheme and www a host must end in one of these; "Dr.Smith" and "St.Mary" have the shape of a host.
_KNOWN_ENDINGS = (".ke", ".org", ".com", ".net", ".info", ".africa", ".health", ".care", ".co", ".int", ".gov", ".uk")
_CELL_SEPARATORS = re.compile(r"([\s,;|<>]+)")


@dataclass(frozen=True, slots=True)
class EmailReading:
    """The e-mail addresses of a cell, each once, and the parts nobody could read, as written."""

    emails: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactReading:
    """What a free cell holds: phones as to_phones() gives them, addresses, websites; the rest as written."""

    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    websites: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def to_email(text: str) -> str | None:
    """Return an e-mail address in lower case, or None where the text is none; "mailto:" and "Email:" before it go."""
    if len(text) > LONGEST_CELL:
        return None
    line = to_line(text)
    label = _EMAIL_LABEL.match(line)
    email = (line[label.end() :] if label else line).lstrip(" <").rstrip(" >.,;").partition("?")[0]
    if len(email) > 254 or email.find("@") > 64:
        return None
    return email.lower() if _EMAIL.fullmatch(email.lower()) else None


def to_emails(text: str) -> EmailReading:
    """Return all e-mail addresses of one cell, divided by blanks, commas, semicolons, slashes or brackets."""
    if len(text) > LONGEST_CELL:
        return EmailReading((), (f"{to_line(text[:80])}...",))
    emails: dict[str, None] = {}
    unreadable: list[str] = []
    for part in _EMAIL_SEPARATORS.split(_NOT_AVAILABLE.sub(" ", to_line(text))):
        email = to_email(part)
        if email:
            emails[email] = None
        elif to_key(part) not in _LABELS and not is_placeholder(part):
            unreadable.append(part)
    return EmailReading(tuple(emails), tuple(unreadable))


def to_website(text: str) -> str | None:
    """Return an http(s) address with its host in lower case, or None where the text is none; https:// if none is given.

    Other schemes, user names, blanks and hosts without a name are refused.
    """
    address = to_value(text).rstrip(".,;") if len(text) <= LONGEST_CELL else ""
    if not _SCHEME.match(address):
        host = re.split(r"[/?#:]", address.lower(), maxsplit=1)[0]
        address = f"https://{address}" if host.startswith("www.") or host.endswith(_KNOWN_ENDINGS) else ""
    if not _WEB_CHARACTERS.fullmatch(address) or len(address) > _LONGEST_WEBSITE:
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # http://[, a port of 99999
        return None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _WEB_HOST.fullmatch(host) or len(host) > 253:
        return None
    path = "" if parts.path == "/" and not parts.query and not parts.fragment else parts.path
    return parts._replace(netloc=f"{host}:{port}" if port is not None else host, path=path).geturl()


def split_contacts(text: str) -> ContactReading:
    """Return what a free cell holds: "0800 000 121, info@example.or.ke, www.example.or.ke"."""
    if len(text) > LONGEST_CELL:
        return ContactReading(unreadable=(f"{to_line(text[:80])}...",))
    if "@" not in text and "." not in text:  # most cells hold phones only
        phones = to_phones(text)
        return ContactReading(phones=phones.contacts, unreadable=phones.unreadable)
    emails: dict[str, None] = {}
    websites: dict[str, None] = {}
    unreadable: list[str] = []
    rest: list[str] = []
    for token in _CELL_SEPARATORS.split(text):
        website = to_website(token) if "@" not in token and "." in token else None
        if website:
            websites[website] = None
        elif "@" in token:
            reading = to_emails(token)
            emails.update(dict.fromkeys(reading.emails))
            unreadable += reading.unreadable
        else:
            rest.append(token)
            continue
        rest.append(";")
    phones = to_phones("".join(rest))
    return ContactReading(phones.contacts, tuple(emails), tuple(websites), (*unreadable, *phones.unreadable))
