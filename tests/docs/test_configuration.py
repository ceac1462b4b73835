"""Each configuration file of docs/configuration.md starts the program; with one line less it says which."""

import getpass
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate.modules import ROOT
from tests.docs.pages import Block, blocks_of, text_of
from tests.production import OURS

FILES = blocks_of(text_of("configuration.md"), "env")
SECRETS = {
    "database_url": "postgres://gvrc_app:s7-Kilimani-west@db.example.or.ke:5432/gvrc_admin",
    "database_owner_url": "postgres://gvrc_owner:t8-Lavington-east@db.example.or.ke:5432/gvrc_admin",
    **{name: secrets.token_urlsafe(48) for name in ("secret_key", "field_keys", "index_key", "backup_key")},
}


def start(block: Block, folder: Path, *, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program with a file of the page, whose secrets lie in a folder of the test's."""
    for name, value in SECRETS.items():
        (folder / name).write_text(f"{value}\n")
    lines = [
        line.replace("'", "").split("=", 1)
        for line in block.text.replace("/etc/gvrc-admin", str(folder)).splitlines()
        if line
    ]
    given = {name: value for name, value in lines if name != without}
    inherited = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    command = [sys.executable, "-c", "import django; django.setup(); print('started')"]
    return subprocess.run(command, cwd=ROOT, env=inherited | given, capture_output=True, text=True, check=False)


def title(block: Block) -> str:
    before = text_of("configuration.md").partition(block.text)[0]
    return re.findall(r"^## (.*)$", before, re.MULTILINE)[-1]


@pytest.mark.parametrize("block", FILES, ids=title)
def test_the_file_of_each_environment_starts_the_program(block: Block, tmp_path: Path) -> None:
    done = start(block, tmp_path)
    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr


def test_the_file_of_production_is_one_that_cron_and_services_take_and_that_has_all_the_keys(tmp_path: Path) -> None:
    block = next(block for block in FILES if title(block) == "Production")
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(f"{value}\n")
    (tmp_path / "env").write_text(block.text.replace("/etc/gvrc-admin", str(tmp_path)))
    keys = (
        "print([bool(getattr(settings, n)) for n in ('FIELD_KEYS', 'INDEX_KEY', 'BACKUP_KEY', 'DATABASE_OWNER_URL')])"
    )
    environment = {"PATH": os.environ["PATH"], "GVRC_SETTINGS": str(tmp_path), "GVRC_USER": getpass.getuser()}
    command = [
        ROOT / "deploy" / "gvrc-admin",
        "shell",
        "--no-imports",
        "-c",
        f"from django.conf import settings; {keys}",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "[True, True, True, False]\n", done.stderr


def test_production_without_a_key_does_not_start(tmp_path: Path) -> None:
    production = next(block for block in FILES if title(block) == "Production")
    done = start(production, tmp_path, without="INDEX_KEY_FILE")
    assert done.returncode == 1
    assert "Production needs INDEX_KEY in the environment" in done.stderr
