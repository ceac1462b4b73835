"""A stream of bytes -> a stream of text: strict UTF-8, with or without a byte-order mark, and nothing else."""

import codecs
from collections.abc import Iterator
from itertools import chain


class EncodingError(Exception):
    """The bytes behind the text that was yielded last are not UTF-8; the message says which."""


def decode_utf8(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield the text of a stream of bytes.

    Raises EncodingError only once the text before the bad byte is yielded, so that who reads it knows line and column.
    """
    head = _take_head(chunks)
    _refuse_other_encodings(head)
    offset = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    for chunk in chain((head[offset:],), chunks, (b"",)):
        held_back = len(decoder.getstate()[0])
        try:
            yield decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            yield error.object[: error.start].decode()
            bad_byte, at = error.object[error.start], offset - held_back + error.start
            raise EncodingError(f"byte 0x{bad_byte:02x} at offset {at:,} is not UTF-8") from None
        offset += len(chunk)


def _take_head(chunks: Iterator[bytes]) -> bytes:
    """Return the first bytes of a stream: at least four, which tell the encoding, if there are so many."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= 4:
            break
    return head


def _refuse_other_encodings(head: bytes) -> None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise EncodingError("the file is UTF-16 or UTF-32")
    # the first character of JSON is ASCII: in UTF-16 and UTF-32 a NUL byte stands beside it
    if b"\x00" in head[:4]:
        raise EncodingError("a NUL byte at the start: the file is UTF-16 or UTF-32, or no text at all")
