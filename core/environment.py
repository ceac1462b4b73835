"""Settings and secrets from the environment, each secret also from a file that NAME_FILE names."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

env = Env()
SHORTEST_KEY = 32  # characters


def secret(name: str, default: str = "") -> str:
    """Return a secret: the text of the file that `NAME_FILE` names, else the variable `NAME`, else the default.

    Raises ImproperlyConfigured where the file cannot be read.
    """
    file_name = os.environ.get(f"{name}_FILE")
    if not file_name:
        return os.environ.get(name, default)
    try:
        return Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        message = f"{name}_FILE names a file that cannot be read ({type(error).__name__}): mend its path or its rights."
        raise ImproperlyConfigured(message) from None


def keys_in(text: str) -> list[str]:
    """Return the keys of a secret that holds several, between commas, the newest first."""
    return [key.strip() for key in text.split(",") if key.strip()]


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


def one_of(name: str, choices: Sequence[str]) -> str:
    """Return a setting that is one of these words, the first by default; raises ImproperlyConfigured for another one."""
    text = os.environ.get(name, "").strip().lower() or choices[0]
    if text not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}: mend the environment.")
    return text


def log_level(name: str, *, default: str) -> str:
    """Return the name of a logging level; raises ImproperlyConfigured where the variable holds no such name."""
    level = os.environ.get(name, "").strip().upper() or default
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name} must be DEBUG, INFO, WARNING, ERROR or CRITICAL: mend the environment.")
    return level


def scheduler_url(name: str) -> str:
    """Return the address of a Dask scheduler, "" for none; raises ImproperlyConfigured where the variable holds none."""
    url = os.environ.get(name, "").strip()
    if url and not re.fullmatch(r"(?:tcp|tls|ws|wss)://[^\s/]+:\d{1,5}/?", url):
        raise ImproperlyConfigured(f"{name} must be like tls://scheduler.example.or.ke:8786: mend the environment.")
    return url


def web_address(name: str, text: str) -> str:
    """Return an http or https address, "" for none; raises ImproperlyConfigured for another text, which is not quoted."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        is_sound = False
    if url and (not is_sound or not url.isascii() or not url.isprintable() or " " in url):
        raise ImproperlyConfigured(f"{name} must be an address that begins with https://: mend the environment.")
    return url


def is_over_socket(parameters: Mapping[str, Any]) -> bool:
    """Return whether a connection with these parameters of libpq is sure to be made over a UNIX socket.

    libpq's own variables may name a host, too.
    """
    if {"hostaddr", "service"} & parameters.keys() or os.environ.get("PGHOSTADDR") or os.environ.get("PGSERVICE"):
        return False
    hosts = str(parameters.get("host") or os.environ.get("PGHOST") or "/")
    return all(host.startswith(("/", "@")) for host in hosts.split(","))
