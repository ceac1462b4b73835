"""The pages of the documentation as tests read them: their blocks of code, links and names."""

import re
from dataclasses import dataclass
from pathlib import Path

from docs.generate.modules import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("*.md")])
WRITTEN = [page for page in PAGES if "made from the code" not in page.read_text(encoding="utf-8")[:200]]


@dataclass(frozen=True)
class Block:
    """A fenced block: what language it says it is in, and its text."""

    language: str
    text: str


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks_of(text: str, language: str | None = None) -> list[Block]:
    found = [Block(*pair) for pair in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    return [block for block in found if language in {None, block.language}]


def prose_of(text: str) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))
