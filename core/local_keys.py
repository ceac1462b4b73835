"""Keys for development and the demo, made once under var/; production reads its own from the environment."""

import json
import os
import secrets
from pathlib import Path


def read_or_create_keys(path: Path) -> dict[str, str]:
    """Return SECRET_KEY, FIELD_KEYS and INDEX_KEY from the file, which is made (mode 0600) if it is not there.

    Two processes that start at once agree: the file appears whole, and only once.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        keys = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "FIELD_KEYS", "INDEX_KEY")}
        draft.write_text(json.dumps(keys, indent=1), encoding="utf-8")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other process was first: its keys count
        finally:
            draft.unlink()
    keys = json.loads(path.read_text(encoding="utf-8"))
    return {str(name): str(value) for name, value in keys.items()}
