"""A backup's file of several frames opens whole, and neither cut nor with frames that moved, are missing or foreign."""

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from core.backups.errors import BackupError
from core.backups.sealed_backup import MAGIC, open_backup, write_backup
from core.backups.sealed_stream import FRAME, TAG

KEY, OLD, OTHER = "the backup key of these tests", "an older one", "another one"
HEADER = len(MAGIC) + 48
DUMP = random.Random(1).randbytes(3 * FRAME + 1000)


def chunks() -> Iterator[bytes]:
    yield from (DUMP[start : start + 65_000] for start in range(0, len(DUMP), 65_000))


def written(path: Path, key: str = KEY) -> Path:
    with path.open("wb") as file:
        write_backup(file, chunks(), manifest={"rows": 1}, key=key)
    return path


def opens(path: Path, *keys: str) -> bytes:
    with open_backup(path, keys=keys or (KEY,)) as backup:
        backup.check()
        return b"".join(backup.dump())


def test_a_backup_opens_with_any_key_of_the_ring(tmp_path: Path) -> None:
    path = written(tmp_path / "a", OLD)
    assert opens(path, KEY, OLD) == DUMP
    with pytest.raises(BackupError, match="none of BACKUP_KEY opens it"):
        opens(path, KEY, OTHER)


def test_frames_that_are_missing_moved_or_foreign_are_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "a").read_bytes()
    foreign = written(tmp_path / "b").read_bytes()
    size = FRAME + TAG
    starts = [HEADER + number * size for number in range(4)]
    frames = [whole[start : start + size] for start in starts[:3]]
    rest = whole[starts[3] :]
    wrong = [whole[:start] for start in starts]  # cut between frames
    wrong += [b"".join([whole[:HEADER], *kept, rest]) for kept in combinations(frames, 2)]
    wrong += [
        b"".join([whole[:HEADER], *(frames[number] for number in order), rest]) for order in ([1, 0, 2], [0, 2, 1])
    ]
    wrong += [
        foreign[:HEADER] + whole[HEADER:],
        whole[: starts[1]] + foreign[starts[1] : starts[2]] + whole[starts[2] :],
    ]
    wrong += [whole[: starts[3]] + foreign[starts[3] :]]
    assert len(wrong) >= 10
    for text in wrong:
        (tmp_path / "c").write_bytes(text)
        with pytest.raises(BackupError):
            opens(tmp_path / "c")


def test_no_byte_can_be_changed_unseen(tmp_path: Path) -> None:
    whole = written(tmp_path / "a").read_bytes()
    chance = random.Random(2)
    places = [*(chance.randrange(len(whole)) for _ in range(20)), 0, HEADER - 1, HEADER, len(whole) - 1, len(whole) - 9]
    for place in places:
        (tmp_path / "c").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupError):
            opens(tmp_path / "c")
