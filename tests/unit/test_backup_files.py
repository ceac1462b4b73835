"""Files of BACKUP_DIR that are no backups, or not what they seem: none stops a backup, and none passes for another one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.backups.errors import BackupError
from core.backups.files import copy_of, listed_backups, remove_leftovers
from core.backups.manifest_copy import refuse_other_copy, refuse_other_name
from core.backups.sealed_backup import LARGEST_MANIFEST

NAME = "gvrc-admin-20261126T014500Z.backup"
MANIFEST = {"created_at": "2026-11-26T01:45:02+00:00", "rows": 7, "state_hash": "a" * 64}


@pytest.fixture
def backup(tmp_path: Path, settings: Any) -> Path:
    settings.BACKUP_DIR = tmp_path
    path = tmp_path / NAME
    path.write_bytes(b"sealed")
    return path


def told(path: Path) -> tuple[int | None, str | None]:
    (listed,) = listed_backups()
    assert listed["file"] == str(path)
    return listed["rows"], listed["state_hash"]


def test_a_copy_of_a_manifest_tells_rows_and_state_hash(backup: Path) -> None:
    assert told(backup) == (None, None)
    copy_of(backup).write_text(json.dumps(MANIFEST))
    assert told(backup) == (7, "a" * 64)
    refuse_other_copy(backup, MANIFEST)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 200_000,
        b'{"rows": "\\u001b[31m7", "state_hash": "\\u001b]0;good\\u0007"}',
        b'{"rows": true, "state_hash": 7}',
        b"[7]",
        b"\xff\xfe",
    ],
    ids=["empty", "deep", "escapes", "types", "list", "bytes"],
)
def test_a_copy_that_is_no_manifest_tells_nothing_and_is_refused(content: bytes, backup: Path) -> None:
    copy_of(backup).write_bytes(content)
    assert told(backup) == (None, None)
    with pytest.raises(BackupError, match="says another thing"):
        refuse_other_copy(backup, MANIFEST)


def test_a_copy_that_is_a_pipe_is_not_waited_for(backup: Path) -> None:
    os.mkfifo(copy_of(backup))
    assert told(backup) == (None, None)
    with pytest.raises(BackupError, match="says another thing"):
        refuse_other_copy(backup, MANIFEST)


def test_a_copy_that_is_larger_than_a_manifest_may_be_is_not_read_whole(backup: Path) -> None:
    with copy_of(backup).open("wb") as file:
        file.write(json.dumps(MANIFEST).encode())
        file.truncate(LARGEST_MANIFEST + 1)  # sparse
    assert told(backup) == (None, None)


@pytest.mark.parametrize("name", [NAME, "gvrc-admin-20261126T014500Z-2.backup", "from-the-other-machine.backup"])
def test_a_backup_has_the_name_of_its_time_or_none_of_ours(name: str, tmp_path: Path) -> None:
    refuse_other_name(tmp_path / name, MANIFEST)


@pytest.mark.parametrize("name", ["gvrc-admin-20261127T014500Z.backup", "gvrc-admin-20251126T014500Z.backup"])
def test_a_backup_under_the_name_of_another_time_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=f"{name}: was made on 2026-11-26 at 01:45:02 UTC"):
        refuse_other_name(tmp_path / name, MANIFEST)


def test_a_folder_with_the_name_of_a_leftover_stops_no_backup(backup: Path) -> None:
    folders = [backup.with_name(f"gvrc-admin-20200101T000000Z.backup{ending}") for ending in (".partial", ".json")]
    for folder in folders:
        folder.mkdir()
    link = backup.with_name("gvrc-admin-20200102T000000Z.backup.partial")
    link.symlink_to(folders[0])
    remove_leftovers()
    assert all(folder.is_dir() for folder in folders)
    assert not link.is_symlink()
