"""pg_dump and pg_restore: found for the server's version, told where it is by their environment, heard without their words.

What they write to stderr may quote rows (CONTEXT: COPY ...), so only phrases of WORDS are passed on.
"""

import os
import re
import shutil
import subprocess  # nosec B404 # of our own words only
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from psycopg import pq
from psycopg.conninfo import make_conninfo

from core.backups.errors import BackupError
from core.embedded_postgres import VERSION, EmbeddedPostgresError, bin_dir
from core.environment import is_over_socket

CHUNK = 1 << 20  # bytes
_WORDS = {
    "No space left": "the disk of the server is full",
    "permission denied": "the owner role lacks rights: see deploy/roles.sql",
    "must be owner": "the owner role does not own everything: see deploy/roles.sql",
    "authentication failed": "the password was refused",
    "no password supplied": "a password is asked for, and DATABASE_OWNER_URL has none",
    "certificate": "the server's certificate was refused",
    "does not support SSL": "the server speaks no TLS",
    "connection to server": "the server cannot be reached",
    "server closed the connection": "the server went away",
    "lock timeout": "somebody holds a table, a migration perhaps: try again later",
    "out of shared memory": "the server has too few locks: raise max_locks_per_transaction",
    "invalid snapshot": "the server went away meanwhile: try again",
    "does not exist": "the database changed meanwhile: try again",
}
_USUAL_PLACES = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin")
_WANTS_TLS = ("require", "verify-ca", "verify-full")


class ClientFailedError(BackupError):
    """pg_dump or pg_restore ended with an error."""


def client_program(name: str, *, major: int, parameters: Mapping[str, Any]) -> Path:
    """Return the program of this name and major version; raises BackupError where there is none.

    The bundled ones are built without TLS, so they serve where none is asked for.
    """
    mode = str(parameters.get("sslmode") or os.environ.get("PGSSLMODE", ""))
    needs_tls = mode in _WANTS_TLS and not is_over_socket(parameters)
    places = [Path(place.format(major)) for place in _USUAL_PLACES]
    if not needs_tls and str(major) == VERSION:
        with suppress(EmbeddedPostgresError):
            places.insert(0, bin_dir())
    found = [place / name for place in places if (place / name).is_file()]
    found += [Path(path) for path in [shutil.which(name)] if path]
    for path in found:
        if _major_of(path) == major:
            return path
    raise BackupError(
        f"{name} of PostgreSQL {major}, the server's version, was not found: install it (Debian: postgresql-client-{major})"
    )


def version_of(program: Path) -> str:
    """Return what a program says of its version, "" where it does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 # nosec B603 # found by our own names
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _major_of(program: Path) -> int | None:
    match = re.search(r"\(PostgreSQL\) (\d+)", version_of(program))
    return int(match[1]) if match else None


def dump(program: Path, parameters: Mapping[str, Any], *, snapshot: str) -> Iterator[bytes]:
    """Yield a dump in custom format, of a snapshot that somebody holds open; raises ClientFailedError."""
    words = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", "--lock-wait-timeout=120s"]
    command = [str(program), *words, f"--snapshot={snapshot}"]
    with _running(command, parameters, stdout=subprocess.PIPE) as process:
        assert process.stdout
        while chunk := process.stdout.read1(CHUNK):  # type: ignore[attr-defined] # buffered
            yield chunk


def restore(program: Path, parameters: Mapping[str, Any], chunks: Iterator[bytes]) -> None:
    """Restore a dump into the database of the parameters; raises ClientFailedError, and what the chunks raise."""
    words = ["--format=custom", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]
    database = make_conninfo(dbname=str(parameters["dbname"]))
    with _running([str(program), *words, f"--dbname={database}"], parameters, stdin=subprocess.PIPE) as process:
        assert process.stdin
        with suppress(BrokenPipeError):  # it ended early: its exit status says so
            for chunk in chunks:
                process.stdin.write(chunk)
            process.stdin.close()


@contextmanager
def _running(
    command: list[str], parameters: Mapping[str, Any], *, stdin: int = subprocess.DEVNULL, stdout: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a program that runs until the block ends, killed where that ends early; raises ClientFailedError where it failed."""
    with tempfile.TemporaryFile() as password_file:  # without a name, so that no kill leaves it behind
        environment = _environment(parameters, password_file)
        process = subprocess.Popen(  # noqa: S603 # nosec B603 # no shell; the words are ours, names among them quoted
            command,
            stdin=stdin,
            stdout=stdout if stdout is not None else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=[password_file.fileno()],
            cwd="/",
            start_new_session=True,  # Ctrl-C is ours to hear
        )
        said = _Tail(process)
        try:
            yield process
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()
            words = said.words()
    if process.returncode:
        name = Path(command[0]).name
        raise ClientFailedError(f"{name} failed ({words or f'exit status {process.returncode}: see docs/backups.md'})")


def _environment(parameters: Mapping[str, Any], password_file: Any) -> dict[str, str]:
    """Return what a program of libpq needs to know; the password is in a file that it inherits."""
    names = {o.keyword.decode(): o.envvar.decode() for o in pq.Conninfo.get_defaults() if o.envvar}
    inherited = {name: os.environ[name] for name in ("HOME", *names.values()) if name in os.environ}
    given = {names[key]: str(value) for key, value in parameters.items() if key in names and value not in (None, "")}
    environment = {"PATH": os.defpath, "LC_ALL": "C"} | inherited | given
    # libpq pays no attention to TLS there, but one built without refuses to be asked for it
    if is_over_socket(parameters):
        environment = {name: value for name, value in environment.items() if not name.startswith("PGSSL")}
    password = environment.pop("PGPASSWORD", "")
    if password:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        password_file.write(f"*:*:*:*:{escaped}\n".encode())
        password_file.flush()
        password_file.seek(0)
        environment["PGPASSFILE"] = f"/dev/fd/{password_file.fileno()}"
    return environment


class _Tail:
    """The last of what a program writes to stderr, read aside so that it never waits for us."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._stream = process.stderr
        self._kept = b""
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._stream
        while piece := self._stream.read1(4096):  # type: ignore[attr-defined] # buffered
            self._kept = (self._kept + piece)[-8192:]

    def words(self) -> str:
        """Return which of the known phrases it said, in ours; "" for none."""
        self._thread.join(timeout=5)
        text = self._kept.decode(errors="replace")
        return next((ours for theirs, ours in _WORDS.items() if theirs in text), "")
