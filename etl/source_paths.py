"""Which paths are lists: what a command writes must replace none of them."""

from pathlib import Path

from etl.sources import IMPORTED


def is_source_file(path: Path | None, data_dir: Path) -> bool:
    """Return whether a path is that of a source in the data directory: `<source>.json`, or in the folder `<source>/`."""
    inside = path and path.resolve()
    if not inside or not inside.is_relative_to(data_dir.resolve()):
        return False
    first = inside.relative_to(data_dir.resolve()).parts[:1]
    return any(first in {(f"{source}.json",), (source,)} for source in IMPORTED)
