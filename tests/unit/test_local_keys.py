"""The keys of development: made once, and completed where a file from before lacks one."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from core.local_keys import NAMES, read_or_create_keys


def test_processes_that_start_at_once_agree_on_every_key(tmp_path: Path) -> None:
    path = tmp_path / "var" / "keys.json"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(read_or_create_keys, [path] * 8))
    assert all(answer == answers[0] for answer in answers)
    assert set(answers[0]) == set(NAMES)
    assert path.stat().st_mode & 0o777 == 0o600
    assert {entry.name for entry in path.parent.iterdir()} == {"keys.json", ".keys.json.lock"}


def test_a_file_without_a_backup_key_gets_one_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old = {"SECRET_KEY": "s" * 50, "FIELD_KEYS": "f" * 40, "INDEX_KEY": "i" * 40}
    path.write_text(json.dumps(old))
    keys = read_or_create_keys(path)
    assert {name: keys[name] for name in old} == old
    assert len(keys["BACKUP_KEY"]) > 40
    assert read_or_create_keys(path) == keys
