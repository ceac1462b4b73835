"""Uploaded files: each request's in a folder of its own under UPLOADS_DIR, under names of ours, for a day at most."""

import hashlib
import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from core.masking import mask
from etl.errors import EtlError
from etl.source_files import find_files

LONGEST_KEPT_S = 24 * 60 * 60
_CHUNK_BYTES = 1024 * 1024


def store(source: str, files: Sequence[UploadedFile[Any]]) -> tuple[Path, list[dict[str, object]]]:
    """Return the folder that holds the files of a source now, as an import finds them, and what they were called.

    The browser's names are shown to people and used for nothing else.
    """
    folder = settings.UPLOADS_DIR / token_hex(16)
    folder.mkdir(mode=0o700, parents=True)
    if len(files) == 1:
        paths = [folder / f"{source}.json"]
    else:
        (folder / source).mkdir(mode=0o700)
        paths = [folder / source / f"part-{number:04d}.json" for number in range(1, len(files) + 1)]
    for path, file in zip(paths, files, strict=True):
        _write(path, file)
    told = [
        {"name": mask(file.name or ""), "size_bytes": path.stat().st_size, "stored": path.name}
        for path, file in zip(paths, files, strict=True)
    ]
    return folder, told


def _write(path: Path, file: UploadedFile[Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        for chunk in file.chunks(_CHUNK_BYTES):
            out.write(chunk)


def is_upload(folder: str) -> bool:
    """Return whether a folder is one of ours, to be deleted; the server's data folder never is."""
    return bool(folder) and Path(folder).parent == settings.UPLOADS_DIR


def forget(folder: str) -> None:
    """Delete an upload; any other folder stays."""
    if is_upload(folder):
        shutil.rmtree(folder, ignore_errors=True)


def forget_old(in_use: Collection[str]) -> None:
    """Delete what was uploaded more than a day ago, except the folders that are in use."""
    if not settings.UPLOADS_DIR.is_dir():
        return
    for folder in settings.UPLOADS_DIR.iterdir():
        with suppress(FileNotFoundError):  # another page does the same
            if str(folder) not in in_use and folder.stat().st_mtime < time() - LONGEST_KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)


def size_of(sources: Sequence[str], folder: Path) -> int:
    """Return how many bytes the files of these sources have; those that are not there count nothing."""
    size = 0
    for source in sources:
        with suppress(EtlError, OSError):
            size += sum(path.stat().st_size for path in find_files(source, folder))
    return size


def sha256_of(source: str, folder: Path) -> str:
    """Return the SHA-256 of each file of a source, joined as a run's summary has them; "" where they are gone."""
    try:
        digests = []
        for path in find_files(source, folder):
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        return ",".join(digests)
    except (EtlError, OSError):
        return ""
