"""The generated pages: each has a PATH in docs/ and a write_page()."""

from collections.abc import Iterator

from docs.generate import commands, data_dictionary, error_texts, rules, settings
from docs.generate.code import Code
from docs.generate.modules import ROOT

GENERATED = (data_dictionary, settings, commands, rules, error_texts)
_MARK = "<!-- made from the code by `make docs`: change the code, then run it -->\n"


def write_pages() -> Iterator[tuple[str, str]]:
    """Yield the path in docs/ and the text of each page; the registry of the database has to hold an import of data/raw."""
    code = Code()
    for page in GENERATED:
        yield page.PATH, f"{_MARK}\n{page.write_page(code).strip()}\n"


def read_page(path: str) -> str:
    """Return a page of docs/ as it stands; "" where it is not there."""
    file = ROOT / "docs" / path
    return file.read_text(encoding="utf-8") if file.exists() else ""
