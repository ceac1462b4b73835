"""Keys for development and the demo, made once under var/; production reads its own from the environment."""

import fcntl
import json
import os
import secrets
from pathlib import Path

NAMES = ("SECRET_KEY", "FIELD_KEYS", "INDEX_KEY", "BACKUP_KEY")


def read_or_create_keys(path: Path) -> dict[str, str]:
    """Return the keys of NAMES from the file, which is made (mode 0600), or gets those that it lacks.

    Processes that start at once agree: one at a time adds keys, and the file appears whole.
    """
    keys = _read(path)
    if not keys.keys() >= set(NAMES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = _read(path)  # whoever held the lock before may have added them
            missing = [name for name in NAMES if name not in keys]
            if missing:
                keys |= {name: secrets.token_urlsafe(48) for name in missing}
                _write(path, keys)
    return keys


def _read(path: Path) -> dict[str, str]:
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {str(name): str(value) for name, value in keys.items()}


def _write(path: Path, keys: dict[str, str]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(keys, indent=1), encoding="utf-8")
    if path.exists():  # a file that root adds a key to stays its owner's
        owner = path.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(path)
