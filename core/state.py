"""One SHA-256 over the registry as people see it: by natural keys, without surrogate ids and time stamps.

A model takes part by declaring `state_key`, the fields (of its own or of a row that it points to) that name a row for good,
and may name `state_derived`, columns that hold ids of this machine, or follow from others with a key of it.
"""

import json
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models

_MODULUS = 1 << 256


def state_hash() -> str:
    """Return 64 hex digits: the same for the same registry on any machine, whatever its ids, its order and its keys.

    Sealed values count as what they say. The hashes of the rows are added (AdHash, Bellare and Micciancio 1997), so that
    no order and no memory for all rows is needed.
    """
    total, rows = 0, 0
    for model in _models():
        for row in _lines(model):
            total = (total + int.from_bytes(sha256(row).digest())) % _MODULUS
            rows += 1
    return sha256(f"{rows} {total:064x}".encode()).hexdigest()


def state_definition() -> str:
    """Return 12 hex digits that change when the columns do of which state_hash() is made."""
    columns = [(model._meta.db_table, _columns(model)) for model in _models()]
    return sha256(json.dumps(columns).encode()).hexdigest()[:12]


def _models() -> list[type[models.Model]]:
    return sorted((model for model in apps.get_models() if hasattr(model, "state_key")), key=lambda m: m._meta.db_table)


def _lines(model: type[models.Model]) -> Any:
    """Yield a model's rows as bytes: the table, the natural key, then every column that says something."""
    for values in model._default_manager.order_by().values_list(*_columns(model)).iterator(chunk_size=2000):
        line = [model._meta.db_table, *(_plain(value) for value in values)]
        yield json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode()


def _columns(model: type[models.Model]) -> list[str]:
    columns = [path for field in model._meta.concrete_fields for path in _paths(field)]
    return list(dict.fromkeys([*model.state_key, *columns]))  # type: ignore[attr-defined] # _models() looked


def _paths(field: "models.Field[Any, Any]") -> list[str]:
    """Return where a column's meaning stands: in itself, or in the natural key of the row that it points to."""
    derived = getattr(field.model, "state_derived", ())
    if field.primary_key or isinstance(field, models.DateTimeField) or field.name in derived:
        return []
    if isinstance(field, models.ForeignKey):
        target = field.related_model
        if target == apps.get_model(settings.AUTH_USER_MODEL):
            return []
        return [f"{field.name}__{part}" for part in target.state_key]  # type: ignore[attr-defined] # every one has
    return [field.name]


def _plain(value: Any) -> Any:
    """Return a value as JSON writes it; one that no key opens counts as its token."""
    if isinstance(value, str):
        return str(value) if getattr(value, "is_readable", True) else value.token  # type: ignore[attr-defined] # an Unreadable
    return value if isinstance(value, int | float | bool | None | list | dict) else str(value)
