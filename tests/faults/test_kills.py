"""What ends an import from outside (kill, signals, a lost terminal or backend, a stopped server) is made good by the next one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.utils import load_backend

from core import embedded_postgres
from core.embedded_backend.base import embedded_server
from core.settings.base import database_from
from facilities.models import Facility
from tests.faults.world import (
    BATCH,
    PATIENCE,
    Undisturbed,
    all_or_sample,
    arguments_for,
    assert_nothing_half_written,
    assert_recovered,
    bystander,
    gate,
    import_delivery,
    in_child,
    in_full,
    totals_of,
    wait_for,
    wait_until_alone,
)

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.mark.parametrize("seed", all_or_sample(range(50), [14, 25]))
def test_a_killed_import_is_made_good_by_the_next_one(seed: int, undisturbed: Undisturbed) -> None:
    child = in_child(import_delivery, undisturbed.folder)
    child.join(random.Random(seed).uniform(0, undisturbed.seconds))
    child.kill()
    child.join()
    wait_until_alone()
    assert_nothing_half_written(undisturbed)
    assert_recovered(import_delivery(undisturbed.folder, resume=seed % 2 == 1), undisturbed)


@pytest.mark.parametrize("seed", all_or_sample(range(20), [9]))
def test_an_import_whose_backends_are_terminated_is_made_good(seed: int, undisturbed: Undisturbed) -> None:
    delay = random.Random(seed).uniform(0, undisturbed.seconds)
    with bystander() as other:
        killer = threading.Timer(delay, other.execute, [TERMINATE])
        killer.start()
        with suppress(DatabaseError, InterfaceError):
            import_delivery(undisturbed.folder)
        killer.join()
    connection.close()
    assert_nothing_half_written(undisturbed)
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)


TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'gvrc_etl_pipeline%'
"""


def manage(database_url: str, *arguments: str) -> "subprocess.Popen[str]":
    own = {"DJANGO_SETTINGS_MODULE": "core.settings.test", "DATABASE_URL": database_url, "DB_CONNECT_TIMEOUT": "1"}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - it calls the system once and takes no lock
    )


def _hear_interrupts() -> None:
    """Hear these in the child: a shell lets what it starts in the background, or by nohup, ignore them; that is inherited."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of a process."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, out, err


def url_of_test_database() -> str:
    name = str(connection.settings_dict["NAME"])
    if settings.DATABASE_URL:
        return urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()
    return embedded_postgres.url(embedded_server(connection.settings_dict), name)


@pytest.mark.parametrize("number", all_or_sample([signal.SIGTERM, signal.SIGINT, signal.SIGHUP], [signal.SIGTERM]))
def test_a_signal_ends_an_import_with_5_and_resume_finishes_it(
    number: signal.Signals, undisturbed: Undisturbed
) -> None:
    database_url = url_of_test_database()
    with gate() as closed:
        process = manage(database_url, *arguments_for(undisturbed.folder))
        closed.wait_until_reached()
        process.send_signal(number)
        code, _, err = finished(process)
    assert code == 5
    assert spoken(err) == [
        "interrupted; what was written is whole; run the same command again to go on, an import with --resume"
    ]
    wait_until_alone()
    assert_nothing_half_written(undisturbed)
    assert Facility.objects.count() % BATCH == 0
    assert 0 < Facility.objects.count() < len(undisturbed.registry)

    code, out, _ = finished(manage(database_url, *arguments_for(undisturbed.folder, "--resume", "--json")))
    assert code == 0
    assert totals_of(json.loads(out)) == totals_of(undisturbed.summary)
    assert_recovered(json.loads(out), undisturbed)


def spoken(err: str) -> list[str]:
    """Return the lines of stderr that are for a person, not for the log."""
    return [line for line in err.splitlines() if line and not line.startswith("{")]


# a server that stops


@pytest.fixture
def own_server() -> Iterator[Path]:
    """Return the data directory of a server of the test's own."""
    # Not tmp_path: pytest closes that to other users, and a server started by root is another user.
    folder = Path(tempfile.mkdtemp(prefix="gvrc-faults-"))
    folder.chmod(0o755)
    yield folder / "postgres"
    embedded_postgres.stop(folder / "postgres")
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


# a row that is there once an import has come so far
FAR_ENOUGH = {"loading": "facilities", "staged": "source_records", "begun": "import_runs"}


@in_full
def test_an_import_whose_server_stops_at_once_is_made_good_after_its_restart(
    own_server: Path, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    for moment in all_or_sample(list(FAR_ENOUGH), ["loading"]):
        with subtests.test(moment=moment):
            server = embedded_postgres.ensure_running(own_server)
            embedded_postgres.ensure_database(server, moment)
            database_url = embedded_postgres.url(server, moment)
            for preparation in ("migrate", "load_geography"):
                assert finished(manage(database_url, preparation))[0] == 0

            process = manage(database_url, *arguments_for(undisturbed.folder))
            with psycopg.connect(database_url, autocommit=True) as watching:
                query = f"SELECT 1 FROM {FAR_ENOUGH[moment]}"
                wait_for(lambda query=query, watching=watching: watching.execute(query).fetchone())
            os.kill(server.pid, signal.SIGQUIT)
            code, _, err = finished(process)
            assert code == 5, err
            assert ["--resume" in line for line in spoken(err)] == [True]

            embedded_postgres.ensure_running(own_server)
            code, out, err = finished(manage(database_url, *arguments_for(undisturbed.folder, "--resume", "--json")))
            assert code == 0, err
            with on_database(database_url):
                assert totals_of(json.loads(out)) == totals_of(undisturbed.summary)
                assert_recovered(json.loads(out), undisturbed)


@contextmanager
def on_database(database_url: str) -> Iterator[None]:
    """Let Django work on another database for a while."""
    before = connections["default"]
    described = connections.configure_settings({"default": database_from(database_url)})["default"]
    _close()
    connections["default"] = load_backend(described["ENGINE"]).DatabaseWrapper(described, "default")
    try:
        yield
    finally:
        _close()
        connections["default"] = before


def _close() -> None:
    connection.close()
    connection.close_pool()
