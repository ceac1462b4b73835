"""Legacy lookups find the rows of ours that they are; new ones are added."""

from collections.abc import Mapping
from typing import Any

from core.masking import mask_contacts
from etl.legacy.books import Books
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.legacy.keys import Before, Keys, rekey
from etl.legacy.rows import MODELS, Written
from etl.stages import clean
from etl.stages.legacy import to_lookup_code, to_words
from etl.stages.records import Lookup, Reference

NAME_COLUMNS = {
    "operational_statuses": "status_name",
    "service_categories": "category_name",
    "contact_types": "type_name",
}
_LONGEST_NAME = 100


def land_lookups(
    legacy: LegacyDatabase, *, books: Books, written: Written, reference: Reference, before: Before
) -> None:
    """Give every legacy lookup its row of ours, a new one where none is it.

    Where the registry is unused, our rows take the legacy keys.
    """
    lookups: dict[str, Lookup] = {
        "operational_statuses": reference.statuses,
        "service_categories": reference.services,
        "contact_types": reference.contact_types,
    }
    for table, lookup in lookups.items():
        matched = _match(legacy, table, lookup, books)
        wanted = {code: row.key for code, row in matched.items() if row.key is not None}
        if before.is_unused:
            rekey(table, wanted, written=written)
        _land(matched, table, books=books, written=written, before=before.keys[table])


def _match(legacy: LegacyDatabase, table: str, lookup: Lookup, books: Books) -> dict[str, LegacyRow]:
    """Return the legacy row that has each code first; those of a code without a row of ours are new."""
    matched: dict[str, LegacyRow] = {}
    codes = set(lookup.codes)
    by_text = dict(lookup.code_by_text)
    for row in legacy.rows(table):
        books.read[table] += 1
        name = _name(row)  # as it will stand, so that the next run finds it
        given = to_words(row.values.get("code"))
        code = by_text.get(clean.to_key(name), "") or by_text.get(clean.to_key(given), "")
        if not code and not clean.to_value(name):
            books.list(table, row, "it has no name")
            continue
        if code and code in matched:
            books.list_same(table, row, matched[code])
            continue
        if not code:
            code = to_lookup_code(name, codes)
            if not code:
                books.list(table, row, "its name has no letter and no digit")
                continue
            codes.add(code)
            by_text[clean.to_key(name)] = code
            books.note(table, row, f"'{clean.mask(name)}' was not in our list, and was added as {code}")
        matched[code] = row
    return matched


def _name(row: LegacyRow) -> str:
    """Return the name as it may stand in a list that everybody sees: a person's number in it is masked."""
    return mask_contacts(to_words(row.values.get("name")))[:_LONGEST_NAME].rstrip()


def _land(
    matched: Mapping[str, LegacyRow],
    table: str,
    *,
    books: Books,
    written: Written,
    before: Mapping[str, int],
) -> None:
    model: Any = MODELS[table]
    ours = {row.code: row for row in model._default_manager.all()}  # noqa: SLF001 - documented API
    keys = Keys(table)
    new: list[Any] = []
    for code, row in matched.items():
        if code in ours:
            pk = ours[code].pk
            stood = before.get(code) == pk
            (books.find if stood else books.land)(table, row, pk)
            continue
        added = model(pk=keys.take(row.key), code=code, aliases=[], **{NAME_COLUMNS[table]: _name(row)})
        new.append(added)
        books.land(table, row, added.pk)
    written.write(new)
    books.follow_same(table)
