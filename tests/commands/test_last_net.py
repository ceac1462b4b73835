"""An error that nobody expected ends a command as one line without its text; --traceback shows all of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.known_contacts import CANARIES, leaks

ROOT = Path(__file__).resolve().parent.parent.parent
RAISE = f"raise ValueError({CANARIES[0]!r}) from KeyError({CANARIES[1]!r})"


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = os.environ | {"DJANGO_SETTINGS_MODULE": "core.settings.test"} | environment
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)


def test_an_unexpected_error_is_one_line_for_people_and_one_for_the_log() -> None:
    done = manage("shell", "-c", RAISE)
    assert done.returncode == 1
    event, said = done.stderr.splitlines()
    assert [told["type"] for told in json.loads(event)["exception"]] == ["ValueError", "KeyError"]
    assert said.startswith("an error that nobody expected (ValueError, ")
    assert leaks(done.stderr) == []


def test_a_command_without_a_net_of_its_own_ends_with_5_where_the_database_is_away_or_a_person_broke_it_off() -> None:
    nowhere = "postgres://nobody@127.0.0.1:1/nothing"
    away = manage(
        "state_hash", DATABASE_URL=nowhere, DB_CONNECT_TIMEOUT="1", DJANGO_SETTINGS_MODULE="core.settings.development"
    )
    assert (away.returncode, len(away.stderr.splitlines())) == (5, 1), away.stderr
    assert manage("shell", "-c", "raise KeyboardInterrupt").returncode == 5
    assert manage("shell", "-c", "from django.db import OperationalError; raise OperationalError").returncode == 5


def test_whoever_wants_the_traceback_gets_it() -> None:
    assert "Traceback" in manage("shell", "-c", "raise ValueError", "--traceback").stderr


def in_shell(redirected: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code as `manage.py shell -c` under a shell's redirection."""
    own = os.environ | {"DJANGO_SETTINGS_MODULE": "core.settings.test", "PYTHONUNBUFFERED": ""}
    line = f'"$0" manage.py shell --no-imports -c "$1" {redirected}'
    command = ["bash", "-o", "pipefail", "-c", line, sys.executable, code]
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)


def test_a_closed_stdout_and_stdin_disturb_no_command() -> None:
    done = in_shell("<&- >&-", "import sys; print('said'); sys.stdin.isatty()")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_letter_that_a_terminal_lacks_is_written_as_an_escape() -> None:
    done = manage("shell", "--no-imports", "-c", "print('Murang\u2019a')", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "Murang\\u2019a\n"), done.stderr


@pytest.mark.parametrize("length", [10, 1_000_000])
def test_a_reader_that_went_away_is_no_fault_of_ours(length: int) -> None:
    done = in_shell("| true", f"import time; time.sleep(0.5); print('x' * {length})")
    assert "Error" not in done.stderr
    assert done.returncode == (0 if length == 10 else 1), "what a pipe takes at once was said"


def test_a_full_disk_under_stdout_is_one_line_and_a_failure() -> None:
    done = in_shell("> /dev/full", "print('said')")
    assert (done.returncode, done.stderr) == (
        1, "stdout cannot be written: No space left on device; what it holds is not whole\n",
    )  # fmt: skip


def test_settings_that_cannot_be_imported_end_as_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken_settings.py").write_text(f"raise ValueError({CANARIES[0]!r})")
    done = manage("check", DJANGO_SETTINGS_MODULE="broken_settings", PYTHONPATH=str(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "broken_settings.py:1" in done.stderr
    assert leaks(done.stderr) == []
