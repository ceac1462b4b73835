"""`filter(pk__any=numbers)`: one of many values, sent as one array; a placeholder for each takes Django and the driver longer."""

from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignKey, Lookup
from django.db.models.sql.compiler import SQLCompiler

# the stubs know of lookups with one number or text on their right side only


@ForeignKey.register_lookup
@Field.register_lookup
class AnyOf(Lookup):
    """As `in`, for values that need no preparation: numbers and text."""

    lookup_name = "any"
    prepare_rhs = False

    def get_db_prep_lookup(  # type: ignore[override]
        self,
        value: Collection[Any],
        connection: BaseDatabaseWrapper,  # noqa: ARG002 - as Django calls it
    ) -> tuple[str, list[Any]]:
        return "%s", [list(value)]

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, of_column = self.process_lhs(compiler, connection)
        values, of_values = self.process_rhs(compiler, connection)
        return f"{column} = ANY({values})", (*of_column, *of_values)
