"""One site for all browser tests: its process, its address, its people, and a look into its database."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from core.embedded_postgres import Server, stop, url
from core.roles import ROLES
from tests.production import ROOT, certificate, environment, on, start_postgres


@dataclass(frozen=True)
class Site:
    """A running site; every role has a user of its own name."""

    address: str
    passwords: dict[str, str]
    server: Server
    log: Path

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what the database says, for a test that must know where to look, or what came of it."""
        with psycopg.connect(url(self.server, "gvrc_admin")) as connection:
            return connection.execute(sql, values).fetchall()  # type: ignore[arg-type] # of our own words

    def one(self, sql: str, *values: object) -> Any:
        """Return the first column of the first row."""
        return self.rows(sql, *values)[0][0]


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Give a populated site with production's settings, over TLS, on a database of its own; both end with it."""
    passwords = {role: secrets.token_urlsafe(12) for role in ROLES}
    place, log = folder / "postgres", folder / "site.log"
    server = start_postgres(place)
    settings = on(server) | {"ALLOWED_HOSTS": "127.0.0.1", "ETL_WORKERS": "1"}
    command = [sys.executable, "-m", "tests.browser.site_process", str(certificate(folder, "localhost"))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    try:
        with (
            log.open("w") as stderr,
            subprocess.Popen(command, cwd=ROOT, env=environment(settings), stderr=stderr, **pipes) as process,
        ):
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(passwords) + "\n")
            process.stdin.flush()
            port = process.stdout.readline().strip()
            assert port, f"the site did not start:\n{log.read_text()[-3000:]}"
            yield Site(f"https://127.0.0.1:{port}", passwords, server, log)
            process.stdin.close()
    finally:
        stop(place)
