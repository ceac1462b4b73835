"""Rows of ours as a migration writes them, and what the database says of them afterwards."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from django.db import models

from core.bulk import copy_in
from core.crypto import Decrypted
from core.models import AuditEntry, User
from etl.legacy.books import MigrationError
from etl.stages.legacy import TABLES
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityService,
    OperationalStatus,
    ServiceCategory,
)
from geography.models import Constituency, County, Ward

MODELS: dict[str, type[models.Model]] = {
    "counties": County,
    "constituencies": Constituency,
    "wards": Ward,
    "operational_statuses": OperationalStatus,
    "service_categories": ServiceCategory,
    "contact_types": ContactType,
    "users": User,
    "facilities": Facility,
    "facility_services": FacilityService,
    "facility_contacts": FacilityContact,
    "facility_coordinates": FacilityCoordinate,
    "audit_trail": AuditEntry,
}
assert list(MODELS) == list(TABLES)
# the column that names a row for good, where one does
NAMED_BY = {
    "counties": "county_code",
    "constituencies": "constituency_code",
    "wards": "ward_code",
    "operational_statuses": "code",
    "service_categories": "code",
    "contact_types": "code",
    "users": "username",
}
PORTION = 1_000


class Written:
    """What was written, as short hashes, so that it can be compared with what the database says of it afterwards."""

    def __init__(self) -> None:
        self._hashes: dict[type[models.Model], dict[int, bytes]] = {}

    def write(self, rows: Sequence[models.Model]) -> None:
        """Insert rows of one model as they are, time stamps too."""
        if not rows:
            return
        copy_in(rows, as_they_are=True)
        self.remember(rows)

    def remember(self, rows: Iterable[models.Model]) -> None:
        """Take rows for written that somebody else wrote."""
        for row in rows:
            self._hashes.setdefault(type(row), {})[int(row.pk)] = _hash(row)

    def compare(self) -> None:
        """Read every row back; raises MigrationError where the database says something else than was written."""
        for model, hashes in self._hashes.items():
            for part in batched(hashes, PORTION):
                found = {row.pk: _hash(row) for row in model._default_manager.filter(pk__in=part)}  # noqa: SLF001 - documented API
                for pk in part:
                    if found.get(pk) != hashes[pk]:
                        table = model._meta.db_table  # noqa: SLF001 - documented API
                        message = (
                            f"{table} {pk} does not say what was written; nothing was kept; report this as a fault"
                        )
                        raise MigrationError(message)


def _hash(row: models.Model) -> bytes:
    """Return a hash over what a row says: sealed values opened, times in UTC."""
    fields = row._meta.concrete_fields  # noqa: SLF001 - documented API
    said = [(field.attname, _plain(getattr(row, field.attname), field)) for field in fields]
    return hashlib.blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _plain(value: Any, field: "models.Field[Any, Any]") -> Any:
    if isinstance(value, Decrypted):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(field, models.DecimalField) and value is not None:
        return f"{value:.8f}"
    if isinstance(value, Mapping):
        return sorted((name, repr(one)) for name, one in value.items())
    return value
