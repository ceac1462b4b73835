"""Encryption at rest: one key per table.column, tokens that stay as they are while their value does, blind indexes.

A value is sealed with Fernet (AES-128-CBC and HMAC-SHA-256). Fernet binds a token to nothing, so each column has a key
of its own, derived by HKDF-SHA-256 from the master keys in FIELD_KEYS: a token moved elsewhere cannot be read there.
"""

import base64
import hmac
import json
import re
import string
from functools import lru_cache
from hashlib import sha256
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from core.environment import SHORTEST_KEY, keys_in

CANNOT_BE_READ = "cannot be read"
_ALPHABET = f"{string.ascii_letters}{string.digits}-_".encode()  # RFC 4648, section 5
# Before one = the last character tells four bits, before two it tells two: the others are zero, in these characters.
_TAIL = re.compile(r"[\w-]{4}|[\w-]{2}[AEIMQUYcgkosw048]=|[\w-][AQgw]==", re.ASCII)


class ReservedWordsError(ValueError):
    """A value says what stands for one that no key opens."""


class Decrypted(str):  # noqa: SLOT000 - it carries its token in its dictionary
    """A value as it was read, with its token and column: written back unchanged to that column, it keeps the token."""

    token: str
    column: str

    def __new__(cls, value: str, token: str, column: str) -> Self:
        text = super().__new__(cls, value)
        text.token = token
        text.column = column
        return text

    def __reduce__(self) -> tuple[type["Decrypted"], tuple[str, str, str]]:
        return type(self), (str(self), self.token, self.column)

    @property
    def is_readable(self) -> bool:
        return True


class Unreadable(Decrypted):
    """A token that no key opens. It shows as "cannot be read"; saving it writes the token back, never the words."""

    @property
    def is_readable(self) -> bool:
        return False


def check_key_settings() -> None:
    """Raise ImproperlyConfigured where a key is missing or too short."""
    for key in keys_in(settings.FIELD_KEYS) or [""]:  # one that is too short
        _checked_key("FIELD_KEYS", key)
    _checked_key("INDEX_KEY", settings.INDEX_KEY)


def encrypt(value: str, *, column: str, key: int = 0) -> str:
    """Return the token of a value for `table.column`; empty text stays empty. `key` says which of FIELD_KEYS: 0 is the newest."""
    if isinstance(value, Decrypted) and value.column == column:
        return value.token
    if value == CANNOT_BE_READ:
        message = f"'{CANNOT_BE_READ}' stands for a value that no key opens and is never written in its place"
        raise ReservedWordsError(message)
    return _ring(settings.FIELD_KEYS, column)[key].encrypt(value.encode()).decode() if value else ""


def decrypt(token: str, *, column: str) -> Decrypted:
    """Return the value of a token; Unreadable where no key of the ring opens it."""
    if not token:
        return Decrypted("", "", column)
    opened = _open(token, column)
    return Decrypted(opened[1].decode(), token, column) if opened else Unreadable(CANNOT_BE_READ, token, column)


def key_of(token: str | None, *, column: str) -> int | None:
    """Return which of FIELD_KEYS opens a token: 0 is the newest, and opens what is empty, too; None where none does."""
    if not token:
        return 0
    opened = _open(token, column)
    return opened[0] if opened else None


def blind_index(value: str, *, purpose: str) -> str:
    """Return the keyed hash (HMAC-SHA-256, 64 hex digits) by which a sealed value is found without opening it."""
    key = _derive(_checked_key("INDEX_KEY", settings.INDEX_KEY), f"gvrc index {purpose}")
    return hmac.digest(key, value.encode("utf-8", "surrogatepass"), sha256).hex()


class EncryptedTextField(models.TextField):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """Text sealed at rest. It cannot be searched: keep a blind_index() beside it for that."""

    description = "Text, encrypted at rest"

    @property
    def column_name(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"  # noqa: SLF001 - Django's documented API

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else decrypt(value, column=self.column_name)

    def get_prep_value(self, value: Any) -> Any:
        return (
            None if value is None else encrypt(value if isinstance(value, str) else str(value), column=self.column_name)
        )

    def get_lookup(self, lookup_name: str) -> Any:
        """Return the lookup for "is null" only: a comparison with a token never finds anything."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


class EncryptedJSONField(EncryptedTextField):
    """JSON sealed at rest as one token."""

    description = "JSON, encrypted at rest"
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, *_: object) -> Any:
        text = super().from_db_value(value)
        if text is None or not text.is_readable:
            return text
        return json.loads(text) if text else None

    def sealed(self, value: Any) -> Decrypted:
        """Return JSON as its token alone, which saving writes as it is: what seals may be another process than what saves."""
        return Decrypted("", self.get_prep_value(value), self.column_name)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Decrypted):
            return super().get_prep_value(value)
        return super().get_prep_value(json.dumps(value, ensure_ascii=True, separators=(",", ":")))


def sealed_fields() -> list[EncryptedTextField]:
    """Return every sealed column of every table, by table and column."""
    models_ = [model._meta for model in apps.get_models(include_auto_created=True)]  # noqa: SLF001 - documented API
    own = [field for meta in models_ if meta.managed and not meta.proxy for field in meta.local_concrete_fields]
    return sorted((f for f in own if isinstance(f, EncryptedTextField)), key=lambda field: field.column_name)


def _open(token: str, column: str) -> tuple[int, bytes] | None:
    """Return which key of the ring opens a token (0 is the newest) and what it says; None where none does."""
    if not _is_canonical(token):
        return None
    for number, cipher in enumerate(_ring(settings.FIELD_KEYS, column)):
        try:
            return number, cipher.decrypt(token)
        except InvalidToken:
            continue
    return None


def _is_canonical(token: str) -> bool:
    """Return whether a token is the one way to write its bytes.

    Fernet reads base64 as Python does: it takes + for -, skips what is no base64, and never looks at the last bits of the
    last character.
    """
    try:
        body = token[:-4].encode()
    except UnicodeEncodeError:
        return False
    return not body.translate(None, _ALPHABET) and len(token) % 4 == 0 and bool(_TAIL.fullmatch(token, len(body)))


@lru_cache(maxsize=256)
def _ring(field_keys: str, column: str) -> tuple[Fernet, ...]:
    return tuple(
        Fernet(base64.urlsafe_b64encode(_derive(_checked_key("FIELD_KEYS", key), f"gvrc field {column}")))
        for key in keys_in(field_keys) or [""]
    )


@lru_cache(maxsize=256)
def _derive(master: str, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(master.encode())


def _checked_key(name: str, key: str) -> str:
    if len(key) < SHORTEST_KEY:
        message = f"{name} is missing or shorter than {SHORTEST_KEY} characters: set it (see .env.example)."
        raise ImproperlyConfigured(message)
    return key
