"""Settings and secrets from the environment, each secret also from a file that NAME_FILE names."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environ import Env

env = Env()


def secret(name: str, default: str = "") -> str:
    """Return a secret: the text of the file that `NAME_FILE` names, else the variable `NAME`, else the default."""
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        return Path(file_name).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def whole_number(name: str, *, default: int) -> int:
    """Return a setting that counts something, 0 or more; raises ImproperlyConfigured where the variable holds no such number."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdecimal():
        raise ImproperlyConfigured(
            f"{name} must be a whole number of 0 or more, not '{text[:20]}': mend the environment."
        )
    return int(text)
