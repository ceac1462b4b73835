"""The DDL in docs/data-dictionary.md makes the very tables that the database has."""

import re
from dataclasses import replace

import pytest
from django.db import connection

from docs.generate.data_dictionary import our_models
from docs.generate.ddl import read_table
from docs.generate.pages import read_page

SCRATCH = "made_from_the_docs"


def bare(constraints: dict[str, str]) -> dict[str, str]:
    """PostgreSQL writes casts and parentheses anew each time that it reads a condition."""
    return {name: re.sub(r"::[a-z ]+(\[\])?|[()]", "", text) for name, text in constraints.items()}


@pytest.mark.django_db
def test_the_documented_ddl_makes_the_same_tables() -> None:
    blocks = re.findall(r"```sql\n(.*?)```", read_page("data-dictionary.md"), re.DOTALL)
    statements = [statement for block in blocks for statement in re.split(r";\n", block) if statement.strip()]
    tables, foreign_keys, others = [], [], []
    for statement in statements:
        if not statement.startswith("CREATE TABLE"):
            others.append(statement)
            continue
        name = statement.split()[2]
        constraints = re.findall(r"  (CONSTRAINT \w+ FOREIGN KEY [^\n]*?),?(?=\n)", statement)
        foreign_keys += [f"ALTER TABLE {name} ADD {constraint}" for constraint in constraints]
        tables.append(re.sub(r",\n  CONSTRAINT \w+ FOREIGN KEY [^\n]*?(?=,?\n)", "", statement))
    with connection.cursor() as cursor:
        documented = {}
        cursor.execute("SET LOCAL ROLE NONE")  # the server's superuser: the application role makes no tables
        cursor.execute(f"CREATE SCHEMA {SCRATCH}")
        cursor.execute(f"SET LOCAL search_path = {SCRATCH}, public")
        for statement in (*tables, *foreign_keys, *others):
            cursor.execute(statement.replace("%", "%%"))
        for model in our_models():
            documented[model._meta.db_table] = read_table(model._meta.db_table, schema=SCRATCH)
        cursor.execute("SET LOCAL search_path = public")
        for name, made in documented.items():
            there = read_table(name)
            named = {key: text.replace(f"{SCRATCH}.", "") for key, text in made.constraints.items()}
            indexes = [text.replace(f"{SCRATCH}.", "public.") for text in made.indexes]
            triggers = [text.replace(f"{SCRATCH}.", "public.") for text in made.triggers]
            columns = [replace(column, default=column.default.replace(f"{SCRATCH}.", "")) for column in made.columns]
            assert (columns, bare(named)) == (there.columns, bare(there.constraints)), name
            assert (indexes, triggers) == (there.indexes, there.triggers), name
