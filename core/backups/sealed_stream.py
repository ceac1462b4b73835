"""A stream sealed in frames, so that it is read piece by piece and nothing of a damaged one is taken for whole.

The STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizar, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015) over AES-256-GCM: the nonce of a frame is its number and whether it is the last. A frame that is
changed, moved, doubled or missing, a stream that was cut anywhere, and what comes after the last frame open under no nonce.

A key serves one stream: derive it with a salt of that stream's own.
"""

from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FRAME = 1 << 20  # bytes of every frame but the last, before they are sealed
TAG = 16  # bytes that sealing adds to a frame
KEY = 32  # bytes


class DamagedStreamError(ValueError):
    """A stream is not what was sealed, or was sealed under another key."""


def derive_key(master: str, *, salt: bytes, info: str) -> bytes:
    """Return the 32 bytes (HKDF-SHA-256) that a master key gives for this salt and purpose."""
    return HKDF(hashes.SHA256(), KEY, salt, info.encode()).derive(master.encode())


def seal(chunks: Iterator[bytes], *, key: bytes, bound: bytes = b"", frame: int = FRAME) -> Iterator[bytes]:
    """Yield the sealed frames of a stream that comes in chunks of any size; even an empty one has a frame.

    `bound` is demanded again by whoever opens it, and not part of it.
    """
    cipher = AESGCM(key)
    number = 0
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) > frame:  # what fills a frame exactly may be the last
            yield cipher.encrypt(_nonce(number, is_last=False), bytes(waiting[:frame]), bound)
            del waiting[:frame]
            number += 1
    yield cipher.encrypt(_nonce(number, is_last=True), bytes(waiting), bound)


def unseal(stream: BinaryIO, size: int, *, key: bytes, bound: bytes = b"", frame: int = FRAME) -> Iterator[bytes]:
    """Yield what was sealed, a frame at a time, from the next `size` bytes of a stream.

    Raises DamagedStreamError; what was yielded before is right, but not all: nothing is whole before the last.
    """
    cipher = AESGCM(key)
    number = 0
    left = size
    while True:
        length = min(left, frame + TAG)
        sealed = stream.read(length)
        left -= length
        if len(sealed) != length or length < TAG:
            raise DamagedStreamError
        try:
            yield cipher.decrypt(_nonce(number, is_last=not left), sealed, bound)
        except InvalidTag:
            raise DamagedStreamError from None
        if not left:
            return
        number += 1


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11) + bytes([is_last])
