"""Rows as they were before a run or a decision, written back from the audit trail: undo and split both do it."""

from collections.abc import Collection
from typing import Any

from django.db import models

from core.audit import audited_models
from etl.models import DuplicatePair
from facilities.models import Facility, FacilityContact


def lay_out(cursor: Any, session: str, facilities: Collection[int]) -> None:
    """Put what each row of these facilities was before a session into the temporary table "undo_rows".

    That is its first image of the session, NULL where the session made it; rows that belong to no facility come along.
    """
    cursor.execute(
        "CREATE TEMPORARY TABLE undo_rows ON COMMIT DROP AS"
        " SELECT DISTINCT ON (table_name, record_id) table_name, record_id, old_values AS image"
        " FROM audit_trail WHERE session_id = %s AND (COALESCE(new_values, old_values)->>'facility_id' IS NULL"
        " OR (COALESCE(new_values, old_values)->>'facility_id')::bigint = ANY(%s))"
        " ORDER BY table_name, record_id, audit_id",
        [session, sorted(facilities)],
    )
    # what was sealed since comes back confidential: nothing but two people lower that
    cursor.execute(
        """UPDATE undo_rows SET image = image || '{"is_confidential": true}'"""
        " WHERE table_name = 'facilities' AND image->>'sealed_details' IS NOT NULL"
    )


def restore_rows(cursor: Any) -> None:
    """Write every row of the temporary table back: children go before their facility, and come after it."""
    tables: list[type[models.Model]] = [model for model in audited_models() if hasattr(model, "facility")]
    for table in (*tables, Facility):
        _delete_made(cursor, table)
    _restore(cursor, Facility)
    for model in tables:
        _restore(cursor, model)
    _delete_made(cursor, DuplicatePair)
    _restore(cursor, DuplicatePair)
    cursor.execute("DROP TABLE undo_rows")


def _delete_made(cursor: Any, model: Any) -> None:
    meta = model._meta  # noqa: SLF001 - documented API
    cursor.execute(
        f'DELETE FROM "{meta.db_table}" t USING undo_rows u WHERE u.table_name = %s AND u.image IS NULL'  # noqa: S608 # nosec B608 # names of our own tables
        f' AND t."{meta.pk.column}" = u.record_id',
        [meta.db_table],
    )


def _restore(cursor: Any, model: type[models.Model]) -> None:
    """Write back what was changed, and put back what was deleted; what must be unique makes way first."""
    meta = model._meta  # noqa: SLF001 - documented API
    key = meta.pk.column
    columns = [field.column for field in meta.concrete_fields if field.column and field.column != key]
    images = {c: f'i."{c}"' for c in columns}
    table = meta.db_table
    images_of = f"undo_rows u WHERE u.table_name = '{table}' AND u.image IS NOT NULL"
    # over the row as it stands: a column that a migration added since keeps its value
    rows = f"""(SELECT i.* FROM "{table}" now JOIN (SELECT * FROM {images_of}) u ON now."{key}" = u.record_id
        CROSS JOIN LATERAL jsonb_populate_record(now, u.image) i) i"""  # noqa: S608 # nosec B608 # names of our own tables
    if make_way := _MAKES_WAY.get(model):
        setting, where = make_way
        cursor.execute(f'UPDATE "{table}" t SET {setting} FROM {rows} WHERE t."{key}" = i."{key}" AND {where}')  # noqa: S608 # nosec B608 # as above
    assignments = ", ".join(f'"{column}" = {image}' for column, image in images.items())
    cursor.execute(f'UPDATE "{table}" t SET {assignments} FROM {rows} WHERE t."{key}" = i."{key}"')  # noqa: S608 # nosec B608 # as above
    names = ", ".join(f'"{column}"' for column in (key, *columns))
    cursor.execute(
        f'INSERT INTO "{table}" ({names}) SELECT {names} FROM (SELECT i.* FROM (SELECT * FROM {images_of}) u'  # noqa: S608 # nosec B608 # as above
        f' CROSS JOIN LATERAL jsonb_populate_record(NULL::"{table}", u.image) i) i'
        f' WHERE NOT EXISTS (SELECT FROM "{table}" t WHERE t."{key}" = i."{key}")'
        + (" ON CONFLICT (first_id, second_id) DO NOTHING" if model is DuplicatePair else "")
    )


# Two rows may have to swap what only one of them may hold: first nobody holds it.
_MAKES_WAY: dict[type[models.Model], tuple[str, str]] = {
    Facility: ("registration_number = NULL", "t.registration_number IS DISTINCT FROM i.registration_number"),
    FacilityContact: ("is_primary = false", "t.is_primary AND NOT i.is_primary"),
}
