"""The generated pages of docs/ say what the code says.

UPDATE_DOCS=1 (`make docs`) writes them anew; then read what changed in them.
"""

import os
from difflib import unified_diff
from typing import Any

import pytest

from docs.generate.modules import ROOT
from docs.generate.pages import read_page, write_pages


@pytest.mark.django_db
def test_the_generated_pages_are_up_to_date(imported: dict[str, Any]) -> None:
    stale: list[str] = []
    for path, text in write_pages():
        if os.environ.get("UPDATE_DOCS"):
            (ROOT / "docs" / path).write_text(text, encoding="utf-8")
        elif read_page(path) != text:
            stale += unified_diff(read_page(path).splitlines(), text.splitlines(), path, "the code", lineterm="")
    assert not stale, "\n".join(["run `make docs`, then look at what changed:", *stale])
