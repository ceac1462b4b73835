"""Files that readers see whole, before or after: written beside their place, and renamed last."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

_LONGEST_PREFIX = 100  # characters of a file's name in that of its temporary one


@contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[IO[str]]:
    """Give a new file that takes a path's place at the end; whatever goes wrong, what was there before stays.

    Raises OSError, also for what is there and no regular file: a device would be gone.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")
    prefix = f".{path.name[:_LONGEST_PREFIX]}."  # no ending: node_exporter reads *.prom
    with NamedTemporaryFile("w", encoding="utf-8", newline="", dir=path.parent, prefix=prefix, delete=False) as out:
        try:
            yield out.file
            out.flush()
            os.fsync(out.fileno())
            os.fchmod(out.fileno(), mode)
            Path(out.name).replace(path)
        except BaseException:  # Ctrl-C, too, leaves no half file
            with suppress(OSError):
                Path(out.name).unlink()
            raise
