"""A raw file -> a stream of RawRecords. Hostile JSON is refused, and no file is ever held whole.

A file is read twice. `inspect_file` reads it for soundness: encoding, grammar, numbers, depth, duplicate keys, where
its records lie, and the values that stand behind the records that inherit them. `read_records` then yields the records
and sees to it that the bytes are still the same.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from etl.errors import ChangedFileError, MissingFileError, UnsoundFileError
from etl.stages.decoding import TextError, shown
from etl.stages.framing import Scanner
from etl.stages.inference import Inference
from etl.stages.records import Finding, Layout, RawRecord, Severity, SoundFile
from etl.stages.survivors import find_survivor_members
from etl.stages.walk import MAX_RECORD, Place, Reading, find_path, other_homes, walk

CHUNK_BYTES = 131_072


def inspect_file(
    path: Path, *, source: str, layout: Layout, max_bytes: int, may_be_empty: bool = False, profiling: bool = True
) -> SoundFile:
    """Return what one reading says about a file, if it is sound.

    Raises MissingFileError, UnsoundFileError and, where the file is written to meanwhile, ChangedFileError.
    """
    with _open_file(path, source=source, max_bytes=max_bytes) as handle:
        before = _identity(handle)
        path_taken = find_path(_scan(handle, path), layout, may_be_empty=may_be_empty)
        handle.seek(0)
        digest = hashlib.sha256()
        reading = Reading(
            scanner=_scan(handle, path, digest=digest),
            path=path_taken,
            rivals=other_homes(layout, path_taken),
        )
        inference = Inference()
        records = 0
        for records, place in enumerate(walk(reading), start=1):
            payload, findings = _read_payload(place, reading)
            if profiling and not findings and inference.is_due(records) and not find_survivor_members(payload, {}):
                inference.add(payload)
        if _identity(handle) != before:
            raise ChangedFileError(f"{shown(path.name)}: written to while it was read; import it again once it rests")
    return SoundFile(
        path=path,
        sha256=digest.hexdigest(),
        size_bytes=before.size_bytes,
        records=records,
        path_taken=path_taken,
        late=reading.late,
        profile=inference.profile(),
    )


def read_records(sound: SoundFile, *, source: str, layout: Layout) -> Iterator[RawRecord]:
    """Yield the records of a file that was found sound.

    Raises ChangedFileError where its bytes are no longer those of the first reading. That is certain only at the end:
    who stores records before it must be able to take them back.
    """
    path = sound.path
    changed = ChangedFileError(f"{shown(path.name)}: changed since it was found sound; import it again once it rests")
    digest = hashlib.sha256()
    try:
        with _open_file(path, source=source, max_bytes=sound.size_bytes) as handle:
            if _identity(handle).size_bytes != sound.size_bytes:
                raise changed
            reading = Reading(
                scanner=_scan(handle, path, digest=digest),
                path=sound.path_taken,
                rivals=other_homes(layout, sound.path_taken),
                known_late=sound.late,
            )
            for place in walk(reading):
                payload, findings = _read_payload(place, reading)
                yield RawRecord(source, path.name, place.pointer, payload, place.inherited, findings)
    except (UnsoundFileError, MissingFileError) as error:
        raise changed from error
    if digest.hexdigest() != sound.sha256:
        raise changed


# the file


class _Identity(NamedTuple):
    size_bytes: int
    modified_ns: int
    inode: int


def _identity(handle: BinaryIO) -> _Identity:
    status = os.fstat(handle.fileno())
    return _Identity(status.st_size, status.st_mtime_ns, status.st_ino)


@contextmanager
def _open_file(path: Path, *, source: str, max_bytes: int) -> Iterator[BinaryIO]:
    """Give a regular file of acceptable size, open for reading."""
    name = shown(path.name)
    try:
        # O_NONBLOCK: opening a named pipe would wait for its writer for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        message = f"{shown(str(path), 300)}: there is no such file; put it there, or leave {source} out"
        raise MissingFileError(message) from None
    except OSError as error:
        raise _unreadable(name, error) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnsoundFileError(f"{name}: is a directory, pipe or device; put a regular file there")
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        if status.st_size > max_bytes:
            message = f"{name}: {status.st_size:,} bytes are above the limit of {max_bytes:,}; split the file"
            raise UnsoundFileError(message)
        yield handle


def _unreadable(name: str, error: OSError) -> UnsoundFileError:
    return UnsoundFileError(f"{name}: cannot be read ({error.strerror}); mend that and import it again")


def _scan(handle: BinaryIO, path: Path, *, digest: Any = None) -> Scanner:
    return Scanner(_chunks(handle, name=shown(path.name), digest=digest), file=path.name)


def _chunks(handle: BinaryIO, *, name: str, digest: Any) -> Iterator[bytes]:
    """Yield the bytes of a file as far as it reached when opened, and hash them."""
    left = _identity(handle).size_bytes
    try:
        while left > 0 and (chunk := handle.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            if digest is not None:
                digest.update(chunk)
            yield chunk
    except OSError as error:
        raise _unreadable(name, error) from error


# the record


def _read_payload(place: Place, reading: Reading) -> tuple[Any, tuple[Finding, ...]]:
    """Return what stands at a place, with the findings that keep it from being loaded."""
    if place.text is None:
        message = f"longer than {MAX_RECORD:,} characters, so it was not read"
        return None, (_reject(place, "record-too-long", message),)
    try:
        payload, findings = reading.values.read(place.text, place.pointer)
    except TextError as error:
        raise reading.scanner.fault_in_value(error) from None
    if isinstance(payload, dict) and not place.wanted:
        return payload, findings
    kind = "a list" if isinstance(payload, list) else "an object" if isinstance(payload, dict) else "a bare value"
    message = f"{place.wanted or 'an object'} is expected here, not {kind}"
    return payload, (_reject(place, "record-not-an-object", message), *findings)


def _reject(place: Place, rule: str, message: str) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.REJECT,
        field="",
        message=message,
        pointer=place.pointer,
        hint="put a record in its place, or take it out of the file",
    )
