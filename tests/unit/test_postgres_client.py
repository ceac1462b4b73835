"""pg_dump and pg_restore: the right one is found, and what it says of rows goes nowhere."""

from pathlib import Path

import pytest

from core.backups.errors import BackupError
from core.backups.postgres_client import client_program, dump
from core.embedded_postgres import VERSION, bin_dir

CANARY = "0722 717 913"


def program(folder: Path, script: str) -> Path:
    path = folder / "pg_dump"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_bundled_client_serves_where_no_tls_is_asked_for() -> None:
    bundled = bin_dir() / "pg_dump"
    for parameters in ({}, {"host": "/run/postgresql", "sslmode": "verify-full"}, {"host": "db.example.or.ke"}):
        assert client_program("pg_dump", major=int(VERSION), parameters=parameters) == bundled


def test_over_tls_the_bundled_client_which_speaks_none_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, f'echo "pg_dump (PostgreSQL) {VERSION}.1"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tls = {"host": "db.example.or.ke", "sslmode": "verify-full"}
    assert client_program("pg_dump", major=int(VERSION), parameters=tls).parent != bin_dir()


def test_for_another_version_the_package_to_install_is_named() -> None:
    with pytest.raises(BackupError, match="postgresql-client-99"):
        client_program("pg_dump", major=99, parameters={})


def test_a_client_of_that_version_in_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, 'echo "pg_dump (PostgreSQL) 99.1"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert client_program("pg_dump", major=99, parameters={"host": "db.example.or.ke"}) == path


def test_a_failure_is_told_in_our_words_and_quotes_no_row(tmp_path: Path) -> None:
    for said, told in (
        (f"CONTEXT: COPY facility_contacts, line 3: {CANARY}", "exit status 3"),
        (f"ERROR: could not extend file: No space left on device {CANARY}", "the disk of the server is full"),
    ):
        path = program(tmp_path, f'echo piece; echo "{said}" >&2; exit 3')
        chunks = dump(path, {}, snapshot="1")
        assert next(chunks) == b"piece\n"
        with pytest.raises(BackupError) as failed:
            list(chunks)
        assert told in str(failed.value)
        assert CANARY not in str(failed.value)


def test_a_program_that_writes_much_to_stderr_does_not_wait_for_us(tmp_path: Path) -> None:
    path = program(tmp_path, "head -c 1000000 /dev/zero >&2; echo all")
    assert list(dump(path, {}, snapshot="1")) == [b"all\n"]
