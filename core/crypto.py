"""Encryption at rest: one key per table.column, tokens that stay as they are while their value does, blind indexes.

A value is sealed with Fernet (AES-128-CBC and HMAC-SHA-256). Fernet binds a token to nothing, so each column has a key
of its own, derived by HKDF-SHA-256 from the master keys in FIELD_KEYS: a token moved elsewhere cannot be read there.
"""

import base64
import hmac
import json
from functools import lru_cache
from hashlib import sha256
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

CANNOT_BE_READ = "cannot be read"
SHORTEST_KEY = 32  # characters


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


def encrypt(value: str, *, column: str) -> str:
    """Return the token of a value for `table.column`; empty text stays empty."""
    if isinstance(value, Decrypted) and value.column == column:
        return value.token
    if value == CANNOT_BE_READ:
        message = f"'{CANNOT_BE_READ}' stands for a value that no key opens and is never written in its place"
        raise ReservedWordsError(message)
    return _cipher(settings.FIELD_KEYS, column).encrypt(value.encode()).decode() if value else ""


def decrypt(token: str, *, column: str) -> Decrypted:
    """Return the value of a token; Unreadable where no key of the ring opens it."""
    if not token:
        return Decrypted("", "", column)
    try:
        return Decrypted(_cipher(settings.FIELD_KEYS, column).decrypt(token).decode(), token, column)
    except InvalidToken:
        return Unreadable(CANNOT_BE_READ, token, column)


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

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Decrypted):
            return super().get_prep_value(value)
        return super().get_prep_value(json.dumps(value, ensure_ascii=True, separators=(",", ":")))


@lru_cache(maxsize=256)
def _cipher(field_keys: str, column: str) -> MultiFernet:
    keys = [part.strip() for part in field_keys.split(",") if part.strip()] or [""]
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(_derive(_checked_key("FIELD_KEYS", key), f"gvrc field {column}")))
            for key in keys
        ],
    )


@lru_cache(maxsize=256)
def _derive(master: str, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(master.encode())


def _checked_key(name: str, key: str) -> str:
    if len(key) < SHORTEST_KEY:
        message = f"{name} is missing or shorter than {SHORTEST_KEY} characters: set it (see .env.example)."
        raise ImproperlyConfigured(message)
    return key
