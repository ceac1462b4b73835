"""Every SQL and Python block of docs/data-access.md runs, and says what the page says of it."""

from typing import Any

import pytest
from django.db import connection

from tests.docs.pages import blocks_of, text_of

PAGE = text_of("data-access.md")
READER = "gvrc_read"
EMPTY = ("GVRC-AAAA-AAAA-AAAA",)  # an invented code: no facility has it


def numbered(language: str) -> list[Any]:
    return [pytest.param(block.text, id=str(number)) for number, block in enumerate(blocks_of(PAGE, language), 1)]


@pytest.mark.django_db
@pytest.mark.parametrize("sql", numbered("sql"))
def test_each_query_runs_and_finds_something(sql: str, imported: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER])
        if cursor.fetchone():
            cursor.execute(f"SET LOCAL ROLE {READER}")
        cursor.execute(sql.replace("%", "%%"))
        rows = cursor.fetchall()
    assert bool(rows) is not any(mark in sql for mark in EMPTY)


@pytest.mark.django_db
@pytest.mark.parametrize("code", numbered("python"))
def test_each_block_of_python_runs(code: str, imported: dict[str, Any]) -> None:
    exec(compile(code, "docs/data-access.md", "exec"), {})
