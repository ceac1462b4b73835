"""Keys on a server as production has it: wrong ones stop whoever comes with them in one line, the owner rotates them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import psycopg
import pytest
from django.conf import settings as project

from core.embedded_postgres import Server, stop, url
from tests.faults.world import PATIENCE, all_or_sample, in_full
from tests.production import start_postgres

FIELD_KEY = "the-field-key-of-this-database-and-no-other"
INDEX_KEY = "the-index-key-of-this-database-and-no-other"
NEW = "the-next-field-key-of-this-database-and-no-other"
WRONG = "a-key-that-is-long-enough-but-no-other-database-s"
NEVER_BOOTS = 3  # core/wsgi.py
SERVER = [sys.executable, "-c", "import core.wsgi; print('it starts')"]
COMMANDS = {
    "import_facilities": ["import_facilities"],
    "state_hash": ["state_hash"],
    "load_geography": ["load_geography"],
    "migrate": ["migrate"],
    "rotate_keys": ["rotate_keys"],
    "runserver": ["runserver", "127.0.0.1:0"],
    "runserver --noreload": ["runserver", "--noreload", "127.0.0.1:0"],
    "wsgi": [],
}
FIELD_KEYS_WRONG = (
    "FIELD_KEYS cannot open what this database holds: set the keys that it was written with (see .env.example)"
)
INDEX_KEY_WRONG = "INDEX_KEY is not the one that this database was written with: set that one (see .env.example)"
KEYS = {
    "wrong field key": ({"FIELD_KEYS": WRONG}, FIELD_KEYS_WRONG),
    "wrong index key": ({"INDEX_KEY": WRONG}, INDEX_KEY_WRONG),
    "swapped": ({"FIELD_KEYS": INDEX_KEY, "INDEX_KEY": FIELD_KEY}, FIELD_KEYS_WRONG),
    "no field key": ({"FIELD_KEYS": ""}, "Production needs FIELD_KEYS in the environment"),
    "no index key": ({"INDEX_KEY": ""}, "Production needs INDEX_KEY in the environment"),
    "commas only": ({"FIELD_KEYS": " , "}, "FIELD_KEYS holds a key of fewer than 32 characters"),
    "short field key": ({"FIELD_KEYS": "short"}, "FIELD_KEYS holds a key of fewer than 32 characters"),
    "short old key": ({"FIELD_KEYS": f"{FIELD_KEY},short"}, "FIELD_KEYS holds a key of fewer than 32 characters"),
    "short index key": ({"INDEX_KEY": "short"}, "INDEX_KEY holds a key of fewer than 32 characters"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with production's two roles, migrated, and a third one that may only read."""
    folder = Path(tempfile.mkdtemp(prefix="gvrc-faults-"))  # not tmp_path: a server started by root is another user
    folder.chmod(0o755)
    server = start_postgres(folder / "postgres")
    succeed(server, "migrate")
    with psycopg.connect(url(server, "gvrc_admin"), autocommit=True) as superuser:
        superuser.execute("CREATE ROLE reader LOGIN; GRANT CONNECT ON DATABASE gvrc_admin TO reader")
        superuser.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    yield server
    stop(folder / "postgres")
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def succeed(server: Server, *arguments: str, **keys: str) -> str:
    """Return what a command that must succeed prints."""
    done = manage(server, *arguments, **keys)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manage(server: Server, *arguments: str, role: str = "gvrc_app", **keys: str) -> "subprocess.CompletedProcess[str]":
    """Run a command, or the server's start where there is none, as production does."""
    address = url(server, "gvrc_admin")
    environment = {
        "DJANGO_SETTINGS_MODULE": "core.settings.production",
        "DATABASE_URL": address.replace("//postgres@", f"//{role}@"),
        "DATABASE_OWNER_URL": address.replace("//postgres@", "//gvrc_owner@"),
        "SECRET_KEY": "a secret of these tests that is long enough: 0123456789",
        "ALLOWED_HOSTS": "localhost",
        "FIELD_KEYS": FIELD_KEY,
        "INDEX_KEY": INDEX_KEY,
        "DB_CONNECT_TIMEOUT": "1",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments] if arguments else SERVER,
        cwd=project.BASE_DIR,
        env=os.environ | environment | keys,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def rows(server: Server) -> dict[str, str]:
    """Return a hash of every table's rows by place and writer: any write changes one."""
    with psycopg.connect(url(server, "gvrc_admin")) as asking:
        tables = asking.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        query = "SELECT coalesce(md5(string_agg(ctid::text || xmin::text, ',' ORDER BY ctid)), '') FROM \"{}\""
        return {name: asking.execute(query.format(name)).fetchone()[0] for (name,) in tables.fetchall()}


def test_keys_that_do_not_fit_end_it_with_1_in_one_line_and_touch_no_row(
    server: Server, subtests: pytest.Subtests
) -> None:
    before = rows(server)
    sample = [
        ("wrong field key", "import_facilities"), ("wrong index key", "state_hash"), ("wrong field key", "runserver"),
        ("swapped", "wsgi"),
    ]  # fmt: skip
    for keys, command in all_or_sample(list(product(KEYS, COMMANDS)), sample):
        with subtests.test(keys=keys, command=command):
            wrong, reason = KEYS[keys]
            done = manage(server, *COMMANDS[command], **wrong)
            assert (done.returncode, done.stdout) == (NEVER_BOOTS if command == "wsgi" else 1, "")
            (line,) = done.stderr.splitlines()
            assert line.removeprefix("KeysDoNotFitError: ").startswith(reason)
            assert rows(server) == before


def test_the_right_keys_let_a_server_start_and_a_role_that_may_only_read_read(server: Server) -> None:
    assert succeed(server) == "it starts\n"
    assert succeed(server, "state_hash", role="reader")
    assert manage(server, "state_hash", role="reader", FIELD_KEYS=WRONG).returncode == 1


@in_full
def test_the_owner_rotates_and_the_application_role_is_refused(server: Server) -> None:
    succeed(server, "load_geography")
    succeed(server, "import_facilities", "other_services")
    hash_before = succeed(server, "state_hash")
    both = {"FIELD_KEYS": f"{NEW},{FIELD_KEY}"}
    before = rows(server)
    refused = manage(server, "rotate_keys", DATABASE_OWNER_URL="", **both)
    reason = "RotationError: rotate_keys works as the owner of the tables: set DATABASE_OWNER_URL (see .env.example)\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", reason)
    assert rows(server) == before
    succeed(server, "rotate_keys", "--check", DATABASE_OWNER_URL="")  # counting needs no owner
    assert json.loads(succeed(server, "rotate_keys", "--json", **both))["re_encrypted"] > 50
    assert succeed(server, "state_hash", FIELD_KEYS=NEW) == hash_before
    succeed(server, "rotate_keys", "--quiet", FIELD_KEYS=f"{FIELD_KEY},{NEW}")
