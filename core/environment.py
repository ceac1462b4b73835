"""Settings and secrets from the environment, each secret also from a file that NAME_FILE names."""

import os
from pathlib import Path

from environ import Env

env = Env()


def secret(name: str, default: str = "") -> str:
    """Return a secret: the text of the file that `NAME_FILE` names, else the variable `NAME`, else the default."""
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        return Path(file_name).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)
