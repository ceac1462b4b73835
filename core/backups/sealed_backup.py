"""A backup's file: a header, the dump sealed in frames, the manifest sealed as one, and how long that is.

The header holds a salt, from which both keys of the file come, and the name of the key that sealed it: so a wrong key is told
from a damaged file. Every sealed part is bound to the header; the manifest holds the SHA-256 of everything before it.
"""

import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from core.backups.errors import BackupError
from core.backups.sealed_stream import TAG, DamagedStreamError, derive_key, seal, unseal

MAGIC = b"GVRC backup v1\r\n"
_SALT, _NAME, _LENGTH = 32, 16, 8  # bytes
_HEADER = len(MAGIC) + _SALT + _NAME
LARGEST_MANIFEST = 1 << 24  # bytes
_DUMP, _MANIFEST, _KEY_NAME = "gvrc backup dump", "gvrc backup manifest", "gvrc backup key name"
REMEDY = "use another backup: backup_database --list"


def write_backup(file: BinaryIO, dump: Iterator[bytes], *, manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the manifest as it was sealed into the file, after the dump, with the SHA-256 of the bytes before it."""
    salt = secrets.token_bytes(_SALT)
    header = MAGIC + salt + _key_name(key, salt)
    digest = sha256(header)
    file.write(header)
    for frame in seal(dump, key=derive_key(key, salt=salt, info=_DUMP), bound=header):
        digest.update(frame)
        file.write(frame)
    whole = {**manifest, "sha256": digest.hexdigest()}
    text = json.dumps(whole, sort_keys=True).encode()
    (sealed,) = seal(iter([text]), key=derive_key(key, salt=salt, info=_MANIFEST), bound=header, frame=LARGEST_MANIFEST)
    file.write(sealed)
    file.write(len(sealed).to_bytes(_LENGTH))
    return whole


@dataclass(frozen=True, slots=True)
class SealedBackup:
    """A file whose manifest was opened; its dump is sound once check() has come back."""

    path: Path
    manifest: dict[str, Any]
    stream: BinaryIO
    header: bytes
    key: str
    dump_size: int

    def dump(self) -> Iterator[bytes]:
        """Yield the dump piece by piece; raises BackupError at the first piece that is not as it was sealed."""
        self.stream.seek(_HEADER)
        yield from self._unsealed(self.stream)

    def check(self) -> None:
        """Raise BackupError where one byte of the file is not as it was written; nothing is kept in memory."""
        self.stream.seek(_HEADER)
        reader = _Hashed(self.stream, self.header)
        for _ in self._unsealed(reader):
            pass
        if reader.digest.hexdigest() != self.manifest.get("sha256"):
            raise _damaged(self.path)

    def _unsealed(self, stream: Any) -> Iterator[bytes]:
        key = derive_key(self.key, salt=_salt_of(self.header), info=_DUMP)
        try:
            yield from unseal(stream, self.dump_size, key=key, bound=self.header)
        except DamagedStreamError:
            raise _damaged(self.path) from None
        except OSError as error:
            raise BackupError(f"{self.path}: cannot be read ({error.strerror}); {REMEDY}") from None


class _Hashed:
    """A stream that keeps the SHA-256 of what was read from it, after a beginning that was read before."""

    def __init__(self, stream: BinaryIO, beginning: bytes) -> None:
        self._stream = stream
        self.digest = sha256(beginning)

    def read(self, size: int) -> bytes:
        read = self._stream.read(size)
        self.digest.update(read)
        return read


@contextmanager
def open_backup(path: Path, *, keys: Sequence[str]) -> Iterator[SealedBackup]:
    """Give a backup with its manifest, opened with whichever of the keys sealed it; raises BackupError."""
    try:
        # a pipe would wait for whoever writes into it
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise BackupError(f"{path}: cannot be read ({error.strerror}); see backup_database --list") from None
    with stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise BackupError(f"{path}: is a pipe or device; name a file, see backup_database --list")
        try:
            opened = _read(path, stream, keys)
        except OSError as error:
            raise BackupError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from None
        yield opened


def _read(path: Path, stream: BinaryIO, keys: Sequence[str]) -> SealedBackup:
    header = stream.read(_HEADER)
    if not header.startswith(MAGIC):
        raise BackupError(f"{path}: is no backup of GVRC Admin; see backup_database --list")
    size = stream.seek(0, 2)
    if len(header) < _HEADER or size < _HEADER + 2 * TAG + _LENGTH:
        raise _damaged(path)
    salt = _salt_of(header)
    key = next((key for key in keys if hmac.compare_digest(header[-_NAME:], _key_name(key, salt))), None)
    if key is None:
        raise BackupError(
            f"{path}: none of BACKUP_KEY opens it: add the key that it was written with at the end of BACKUP_KEY"
            " (if that is there, the file is damaged: use another backup)"
        )
    stream.seek(size - _LENGTH)
    length = int.from_bytes(stream.read(_LENGTH))
    start = size - _LENGTH - length
    if not TAG <= length <= LARGEST_MANIFEST + TAG or start < _HEADER + TAG:
        raise _damaged(path)
    stream.seek(start)
    try:
        manifest_key = derive_key(key, salt=salt, info=_MANIFEST)
        text = b"".join(unseal(stream, length, key=manifest_key, bound=header, frame=LARGEST_MANIFEST))
    except DamagedStreamError:
        raise _damaged(path) from None
    return SealedBackup(path, json.loads(text), stream, header, key, start - _HEADER)


def _damaged(path: Path) -> BackupError:
    return BackupError(f"{path}: is damaged: bytes of it are missing, added or changed; {REMEDY}")


def _salt_of(header: bytes) -> bytes:
    return header[len(MAGIC) : len(MAGIC) + _SALT]


def _key_name(key: str, salt: bytes) -> bytes:
    return derive_key(key, salt=salt, info=_KEY_NAME)[:_NAME]
