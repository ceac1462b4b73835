"""What production refuses to start with: each refusal is one line that says what to do, and quotes no secret."""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ImproperlyConfigured

from core.environment import SHORTEST_KEY, is_over_socket

NEW_KEY = "make a new one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
SHORTEST_SECRET_KEY = 50  # characters
FEWEST_CHARACTERS = 10  # different ones
# what keys of documents, examples and tests hold; underscores, blanks and hyphens between are not looked at
_KNOWN_KEYS = ("djangoinsecure", "fortestsonly", "changeme", "yoursecretkey")
_KNOWN_PASSWORDS = {
    "gvrcpassword123",
    "gvrcpassword",
    "password",
    "postgres",
    "postgresql",
    "admin",
    "changeme",
    "secret",
}
_VERIFIED = "verify-full"


def refuse_missing(required: Mapping[str, object]) -> None:
    """Raise ImproperlyConfigured where a setting that production cannot do without is empty."""
    if missing := sorted(name for name, value in required.items() if not value):
        message = f"Production needs {', '.join(missing)} in the environment (each secret also as NAME_FILE)."
        raise ImproperlyConfigured(message)


def refuse_debug(text: str) -> None:
    """Raise ImproperlyConfigured where DEBUG asks for what production never does: its error pages show settings and values."""
    if text.strip().lower() not in {"", "0", "false", "no", "off", "n", "f"}:
        raise ImproperlyConfigured("Production never runs with DEBUG: take it out of the environment.")


def refuse_weak_keys(secret_key: str, keys: Mapping[str, Sequence[str]]) -> None:
    """Raise ImproperlyConfigured where a key is short, plain or known, or serves two purposes.

    `keys` says which keys each setting holds.
    """
    _refuse_weak_key("SECRET_KEY", secret_key, SHORTEST_SECRET_KEY)
    purpose_of = {secret_key: "SECRET_KEY"}
    for name, ring in keys.items():
        for key in ring:
            _refuse_weak_key(name, key, SHORTEST_KEY)
            if purpose_of.setdefault(key, name) != name:
                message = f"{purpose_of[key]} and {name} hold the same key: each needs its own; {NEW_KEY}"
                raise ImproperlyConfigured(message)


def _refuse_weak_key(name: str, key: str, shortest: int) -> None:
    if len(key) < shortest:
        raise ImproperlyConfigured(f"{name} holds a key of fewer than {shortest} characters: {NEW_KEY}")
    if len(set(key)) < FEWEST_CHARACTERS:
        raise ImproperlyConfigured(
            f"{name} holds a key of fewer than {FEWEST_CHARACTERS} different characters: {NEW_KEY}"
        )
    if any(known in _bare(key) for known in _KNOWN_KEYS):
        raise ImproperlyConfigured(f"{name} holds a key that stands in an example or a test: {NEW_KEY}")


def refuse_weak_password(name: str, database: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured where the password of a database URL is known to everybody, or where there is none."""
    password = str(database["PASSWORD"])
    if not password:
        if _is_local(database) or {"passfile", "sslkey"} & database["OPTIONS"].keys():
            return
        raise ImproperlyConfigured(f"{name} has no password: give the role one, or connect over a UNIX socket.")
    names = {_bare(str(database[part])) for part in ("USER", "NAME", "HOST") if database[part]}
    if _bare(password) in _KNOWN_PASSWORDS | names:
        raise ImproperlyConfigured(f"{name} has a password that everybody knows: give the role another one.")
    if password.lower() in CommonPasswordValidator().passwords:
        raise ImproperlyConfigured(f"{name} has one of the most common passwords: give the role another one.")


def with_verified_tls(name: str, database: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a database to which no connection is made over a network but by TLS with a known server.

    Raises ImproperlyConfigured where its URL asks for less. On a UNIX socket libpq pays no attention to it.
    """
    options = {"sslrootcert": trusted_authorities()} | database["OPTIONS"]
    if options.get("sslmode", _VERIFIED) != _VERIFIED and not _is_local(database):
        message = f"{name} weakens TLS to the database: write sslmode={_VERIFIED}, or nothing, which means the same."
        raise ImproperlyConfigured(message)
    return {**database, "OPTIONS": options | {"sslmode": _VERIFIED}}


def refuse_open_cluster(url: str) -> None:
    """Raise ImproperlyConfigured where a cluster's scheduler is reached over a network without TLS: jobs hold raw records."""
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in {"tls", "wss"} and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        message = (
            "ETL_CLUSTER_URL must begin with tls://: a scheduler without it runs anybody's code, and sees every record."
        )
        raise ImproperlyConfigured(message)


def refuse_plain_tracker(dsn: str) -> None:
    """Raise ImproperlyConfigured where an error tracker is reached without TLS."""
    if dsn and urlsplit(dsn).scheme != "https":
        raise ImproperlyConfigured(
            "SENTRY_DSN must begin with https://: what fails, and where, is nobody else's to read."
        )


def trusted_authorities() -> str:
    """Return the file with the certificate authorities that this machine trusts, libpq's word for them where none is found.

    psycopg's wheels bring an OpenSSL that looks for them in a place of its own: that word alone finds none.
    """
    usual = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    found = (path for path in (ssl.get_default_verify_paths().cafile, *usual) if path and Path(path).is_file())
    return next(found, "system")


def _is_local(database: Mapping[str, Any]) -> bool:
    host = database["HOST"] or database["OPTIONS"].get("host")
    return is_over_socket({**database["OPTIONS"], "host": host})


def _bare(text: str) -> str:
    """Return a text in small letters, without what is put between words."""
    return "".join(letter for letter in text.lower() if letter.isalnum())
