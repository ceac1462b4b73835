"""A backup is proven before it has its name, a damaged one is refused untouched, a restore gives back every row."""

import io
import json
import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.db import connection

from core.backups.facts import Facts, snapshot
from core.backups.files import copy_of, last_proven, locked_directory, remove_leftovers, remove_old
from core.backups.keys import backup_keys
from core.backups.making import back_up
from core.backups.postgres_client import client_program, dump
from core.backups.restore import restore_database
from core.backups.sealed_backup import open_backup, write_backup
from core.backups.server import beside, only_one, parameters_for, scratch_database
from core.database_roles import as_owner_of
from core.known_migrations import code_migrations
from core.models import AccessLog
from core.state import state_hash
from etl.lock import import_lock
from facilities.models import Facility
from tests.backups_world import change_something, facts, fill_pristine, leftovers, refusal
from tests.canaries import leaks, write_canaries
from tests.faults.world import all_or_sample, in_child, in_full, wait_for
from tests.own_databases import connected_to, databases, drop_all, on_server
from tests.world import run_import

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def transactional_db(django_db_setup: None) -> None:
    """Nothing: pytest-django makes the tests' database for tests that use it. These work in others beside."""


@pytest.fixture(scope="module")
def pristine(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock():
        name = fill_pristine()
        yield name
        drop_all(name)


@pytest.fixture
def live(pristine: str, django_db_blocker: Any, tmp_path: Path, settings: Any) -> Iterator[str]:
    """The name of a database of the test's own with the rows of an import, which is the live one; backups go to tmp_path."""
    settings.BACKUP_DIR = tmp_path / "backups"
    name = f"{pristine}_live"
    with django_db_blocker.unblock():
        if name not in databases():
            on_server("CREATE DATABASE {} TEMPLATE {}", name, pristine)
        with connected_to(name):
            yield name
        drop_all(f"{name}_")


@pytest.fixture
def spoilt_live(live: str) -> Iterator[str]:
    """The same, and no other test gets it after this one."""
    yield live
    drop_all(live)


@pytest.fixture(scope="module")
def kept_backup(pristine: str, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the pristine database."""
    folder = tmp_path_factory.mktemp("kept")
    before, project.BACKUP_DIR = project.BACKUP_DIR, folder
    with django_db_blocker.unblock(), connected_to(pristine):
        made = back_up()
    project.BACKUP_DIR = before
    return made.path


def restore(path: Path) -> None:
    call_command("restore_database", str(path), "--yes", "--quiet")


def test_a_dropped_database_comes_back_to_the_row(live: str) -> None:
    before, expected = state_hash(), facts()
    made = back_up()
    assert Facts.of(made.manifest).differences(expected) == []
    assert (made.manifest["state_hash"], made.manifest["rows"]) == (before, expected.rows)
    assert {path.stat().st_mode & 0o777 for path in (made.path, copy_of(made.path))} == {0o600}
    seen = made.path.read_bytes().decode("latin-1") + copy_of(made.path).read_text()
    assert "PGDMP" not in seen  # how a dump begins
    names = [name for name in Facility.objects.values_list("facility_name", flat=True) if len(name) > 5]
    assert len(names) > 100
    assert not [name for name in names if name in seen]  # a short one, "Voi", stands in sealed bytes by chance
    with connected_to("postgres"):
        on_server("DROP DATABASE {} WITH (FORCE)", live)
    restore(made.path)
    assert state_hash() == before
    assert databases().count(live) == 1
    assert AccessLog.objects.latest("access_id").action == "restore"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege('audit_trail', 'UPDATE'), has_table_privilege('audit_trail', 'SELECT'),"
            " has_table_privilege('facilities', 'UPDATE'), (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audit_%')"
        )
        assert cursor.fetchone() == (False, True, True, expected_triggers())


def expected_triggers() -> int:
    from core.audit import audited_models  # noqa: PLC0415 - here alone

    return 3 * len(audited_models())


def test_a_restore_keeps_what_stood_there_and_goes_back(live: str, kept_backup: Path, capsys: Any) -> None:
    backed_up = state_hash()
    changed = change_something()
    call_command("restore_database", str(kept_backup), "--yes")
    assert state_hash() == backed_up
    (kept,) = (name for name in databases() if name.startswith(f"{live}_before_"))
    said = capsys.readouterr().out
    assert f"--back {kept}" in said
    assert f'DROP DATABASE "{kept}"' in said
    Facility.objects.update(is_active=True)  # the application works in it
    call_command("restore_database", "--back", kept, "--yes", "--quiet")
    assert state_hash() == changed
    assert "no database" in str(refusal("restore_database", "--back", "postgres", "--yes"))


def damaged(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield ten backups that were cut, ten of which a bit is another one, and others in which something moved."""
    chance = random.Random(8)
    for _ in range(10):
        yield "cut", whole[: chance.randrange(len(whole))]
        place = chance.randrange(len(whole))
        yield "flipped", whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :]
    yield "longer", whole + b"\0"
    yield "without its middle", whole[:5000] + whole[9000:]
    yield "twice", whole + whole
    yield "empty", b""


def test_no_damaged_backup_is_restored(live: str, kept_backup: Path, tmp_path: Path) -> None:
    before = change_something()
    path = tmp_path / kept_backup.name
    for how, text in damaged(kept_backup.read_bytes()):
        path.write_bytes(text)
        said = str(refusal("restore_database", path, "--yes"))
        assert any(words in said for words in ("is damaged", "is no backup", "none of BACKUP_KEY opens it")), (
            how,
            said,
        )
        assert str(refusal("verify_backup", path, "--quick")) == said
    assert state_hash() == before
    assert leftovers(live, project.BACKUP_DIR) == []


@in_full
def test_verify_says_that_a_backup_is_good_and_that_a_copy_of_its_manifest_is_not(
    live: str, kept_backup: Path, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / kept_backup.name
    path.write_bytes(kept_backup.read_bytes())  # alone
    call_command("verify_backup", str(path))
    assert "it restores to what it was made of" in capsys.readouterr().out
    assert leftovers(live, project.BACKUP_DIR) == []
    copy_of(path).write_text(copy_of(kept_backup).read_text().replace('"rows": ', '"rows": 1'))
    assert "says another thing" in str(refusal("verify_backup", path, "--quick"))


def test_a_backup_that_does_not_restore_gets_no_name_and_takes_none_away(spoilt_live: str) -> None:
    with as_owner_of(spoilt_live), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION needs_users(n int) RETURNS boolean LANGUAGE sql AS 'SELECT count(*) >= 0 FROM users'"
        )
        cursor.execute("CREATE TABLE aaa (n int CHECK (needs_users(n))); INSERT INTO aaa VALUES (1)")
    assert "pg_restore failed" in str(refusal("backup_database"))
    assert leftovers(spoilt_live, project.BACKUP_DIR) == []
    assert last_proven() is None


@in_full
def test_the_site_and_an_import_go_on_during_a_backup(spoilt_live: str) -> None:
    writer = in_child(write_on, spoilt_live)
    try:
        wait_for(lambda: AccessLog.objects.filter(action="test").count() > 5)
        with import_lock():
            made = back_up()
        rows = AccessLog.objects.filter(action="test").count()
    finally:
        writer.kill()
        writer.join()
    assert 5 < made.manifest["tables"]["public.access_log"]["rows"] < rows


def write_on(live: str) -> None:
    with connected_to(live):
        while True:
            AccessLog.objects.create(action="test", resource="x" * 100, result="allowed")


@in_full
def test_a_backup_tells_nothing_of_what_is_in_it(
    spoilt_live: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    (tmp_path / "raw").mkdir()
    write_canaries(tmp_path / "raw")
    run_import(tmp_path / "raw")
    commands: set[str] = set()

    def look(_: str) -> None:
        commands.update(str(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"]))

    made = back_up(progress=look)
    restore_database(made.path, confirm=lambda *_: None, progress=look)
    seen = [made.path.read_bytes().decode("latin-1"), copy_of(made.path).read_text(), caplog.text, *capfd.readouterr()]
    assert {hit for text in [*seen, *commands] for hit in leaks(text)} == set()
    assert Facility.objects.filter(is_confidential=True).exists()


def test_no_password_is_on_a_command_line_or_in_an_environment(live: str) -> None:
    parameters = parameters_for(live) | {"password": "s3:cret\\of the owner"}
    program = client_program("pg_dump", major=16, parameters=parameters)
    with as_owner_of(live), snapshot() as seen:
        chunks = dump(program, parameters, snapshot=seen)
        next(chunks)
        (child,) = (one for one in psutil.Process().children() if "pg_dump" in " ".join(one.cmdline()))
        told = [" ".join(child.cmdline()), str(child.environ())]
        inherited = Path(f"/proc/{child.pid}/fd/{child.environ()['PGPASSFILE'].rpartition('/')[2]}")
        assert inherited.read_text() == "*:*:*:*:s3\\:cret\\\\of the owner\n"
        assert inherited.stat().st_mode & 0o777 == 0o600
        chunks.close()
    assert not any("s3" in text or "cret" in text for text in told)


def test_a_backup_of_older_migrations_is_migrated_before_it_takes_the_place(spoilt_live: str) -> None:
    call_command("migrate", "axes", "0009", verbosity=0)
    made = back_up()
    assert made.manifest["state_hash"] is None
    call_command("migrate", verbosity=0)
    before = state_hash()
    restore(made.path)
    assert state_hash() == before
    with connection.cursor() as cursor:
        assert "axes_accessattemptexpiration" in connection.introspection.table_names(cursor)


def test_a_file_that_cannot_even_be_looked_for_is_one_line() -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("verify_backup", "x" * 300)


def test_a_backup_of_newer_code_is_refused(live: str, kept_backup: Path, tmp_path: Path) -> None:
    before = change_something()
    newer = sealed_anew(kept_backup, tmp_path, migrations=[*code_migrations(), "core.9999_of_next_year"])
    assert "upgrade the code first" in str(refusal("restore_database", newer, "--yes"))
    assert state_hash() == before


def test_a_backup_whose_rows_are_others_than_its_manifest_says_is_refused(
    live: str, kept_backup: Path, tmp_path: Path
) -> None:
    before = change_something()
    with open_backup(kept_backup, keys=backup_keys()) as backup:
        tables = backup.manifest["tables"] | {"public.wards": backup.manifest["tables"]["public.counties"]}
    said = str(refusal("restore_database", sealed_anew(kept_backup, tmp_path, tables=tables), "--yes"))
    assert "(public.wards)" in said
    assert state_hash() == before
    assert leftovers(live, project.BACKUP_DIR) == []


def sealed_anew(path: Path, folder: Path, **changed: Any) -> Path:
    """Return a backup like this one with another manifest."""
    with open_backup(path, keys=backup_keys()) as backup, (folder / path.name).open("wb") as file:
        write_backup(file, backup.dump(), manifest=backup.manifest | changed, key=backup_keys()[0])
    return folder / path.name


def test_a_backup_under_other_keys_is_refused_and_one_under_an_older_key_is_not(
    live: str, kept_backup: Path, settings: Any
) -> None:
    old, backup_key = settings.FIELD_KEYS, settings.BACKUP_KEY
    with connected_to("postgres"):
        on_server("DROP DATABASE {} WITH (FORCE)", live)
    settings.FIELD_KEYS = "another field key than that of the backup that is long enough"
    assert "at the end of FIELD_KEYS" in str(refusal("restore_database", kept_backup, "--yes"))
    settings.FIELD_KEYS += f",{old}"
    settings.BACKUP_KEY = "another backup key than that of the backup that is long enough"
    assert "at the end of BACKUP_KEY" in str(refusal("restore_database", kept_backup, "--yes"))
    settings.BACKUP_KEY += f",{backup_key}"
    restore(kept_backup)
    assert Facility.objects.exists()
    settings.BACKUP_KEY = ""
    assert "BACKUP_KEY is not set" in str(refusal("backup_database"))


def test_a_restore_waits_for_nobody_who_imports(live: str, kept_backup: Path) -> None:
    before = change_something()
    with import_lock():
        refused = refusal("restore_database", kept_backup, "--yes")
    assert (refused.returncode, "an import or a rotation of keys is at work" in str(refused)) == (3, True)
    assert state_hash() == before


def test_one_backup_or_restore_at_a_time(live: str, kept_backup: Path) -> None:
    with locked_directory():
        refused = refusal("backup_database")
        assert (refused.returncode, f"pid {os.getpid()}" in str(refused)) == (3, True)
    with only_one(live), connected_to(live):
        for command in (
            ["backup_database"],
            ["restore_database", kept_backup, "--yes"],
            ["verify_backup", kept_backup],
        ):
            refused = refusal(*command)
            assert (refused.returncode, f"pid {os.getpid()}" in str(refused)) == (3, True), command


def test_nobody_to_be_asked_is_wrong_usage(live: str, kept_backup: Path) -> None:
    assert refusal("restore_database", kept_backup).returncode == 2
    with pytest.raises(CommandError, match="name a FILE"):
        call_command("restore_database")


def test_files_that_are_no_backups_are_refused_in_a_line(live: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no backup at all")
    for path in (tmp_path / "notes.txt", tmp_path / "missing.backup", tmp_path):
        assert str(path) in str(refusal("restore_database", path, "--yes"))


def test_a_pipe_is_refused_before_anybody_writes_into_it(live: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.backup")
    for path in (tmp_path / "pipe.backup", Path(os.devnull)):
        assert "is a pipe or device" in str(refusal("verify_backup", path, "--quick"))


def test_databases_of_others_with_names_like_those_of_scratch_stay(live: str, settings: Any) -> None:
    longest = "a" * 62
    others = [f"{live}_scratch_of_analysts", f"{live}_scratch_{'0' * 8}", beside(longest + "b", f"_scratch_{'0' * 8}")]
    with connected_to("postgres"):
        for name in others:
            on_server("CREATE DATABASE {}", name)
    try:
        for name in (live, longest + "a", longest + "b"):
            with only_one(name), scratch_database(name, locale=[]) as mine:
                assert mine in databases()
                for other in {live, longest + "a", longest + "b"} - {name}:
                    with only_one(other):
                        pass
                assert mine in databases()
        assert set(others) <= set(databases())
    finally:
        for name in others:
            on_server("DROP DATABASE {}", name)


def test_a_directory_that_cannot_be_written_is_named(live: str, tmp_path: Path, settings: Any) -> None:
    settings.BACKUP_DIR = tmp_path / "file" / "backups"
    (tmp_path / "file").write_text("in the way")
    assert "BACKUP_DIR" in str(refusal("backup_database"))


def ends_as(work: Callable[[], object]) -> None:
    """Exit with what a command would, its line on stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        work()
    except CommandError as error:
        Path(os.environ["SAID"]).write_text(str(error))
        os._exit(error.returncode)
    os._exit(0)


def command_under(prepare: Callable[[], object], said: Path) -> int:
    """Return the exit code of backup_database in a child that something was done to."""

    def work() -> None:
        prepare()
        call_command("backup_database")

    os.environ["SAID"] = str(said)
    child = in_child(ends_as, work)
    child.join()
    return int(child.exitcode or 0)


def test_a_full_disk_ends_a_backup_in_a_line_and_leaves_nothing(live: str, tmp_path: Path) -> None:
    code = command_under(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)), tmp_path / "said")
    assert code == 1
    assert "make room" in (tmp_path / "said").read_text()
    assert leftovers(live, project.BACKUP_DIR) == []


@pytest.mark.parametrize("number", all_or_sample([signal.SIGTERM, signal.SIGINT, signal.SIGHUP], [signal.SIGTERM]))
def test_an_interrupted_backup_leaves_nothing(number: signal.Signals, live: str, tmp_path: Path) -> None:
    def soon() -> None:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), number))
        signal.setitimer(signal.ITIMER_REAL, 0.4)

    assert command_under(soon, tmp_path / "said") == 5
    assert "interrupted" in (tmp_path / "said").read_text()
    assert leftovers(live, project.BACKUP_DIR) == []


def test_old_backups_go_and_the_newest_stays(live: str, kept_backup: Path, settings: Any) -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    settings.BACKUP_DIR.mkdir()

    def put(days: int, text: bytes = kept_backup.read_bytes()[:100]) -> Path:
        path: Path = settings.BACKUP_DIR / f"gvrc-admin-{now - timedelta(days=days):%Y%m%dT%H%M%SZ}.backup"
        path.write_bytes(text)
        copy_of(path).write_text("{}")
        return path

    newer, older, foreign = put(31), put(32), put(33, b"begins otherwise")
    (settings.BACKUP_DIR / "gvrc-admin-notes.backup").write_text("mine")
    settings.BACKUP_RETENTION_DAYS = 0
    assert remove_old(now) == []
    settings.BACKUP_RETENTION_DAYS = 10**12
    assert remove_old(now) == []
    settings.BACKUP_RETENTION_DAYS = 30
    assert remove_old(now) == [older.name]
    assert [path.exists() for path in (older, copy_of(older), newer, foreign)] == [False, False, True, True]
    assert last_proven() == now - timedelta(days=31)
    newer.unlink()
    newer.with_name("gvrc-admin-20260101T000000Z.backup.partial").write_bytes(b"left by a kill")
    remove_leftovers()
    left = {foreign.name, copy_of(foreign).name, "gvrc-admin-notes.backup"}
    assert {path.name for path in settings.BACKUP_DIR.iterdir()} == left


def test_backups_are_listed_for_people_and_programs(live: str, kept_backup: Path, settings: Any, capsys: Any) -> None:
    call_command("backup_database", "--list")
    assert "none yet" in capsys.readouterr().out
    settings.BACKUP_DIR = kept_backup.parent
    out = io.StringIO()
    call_command("backup_database", "--list", "--json", stdout=out)
    (told,) = json.loads(out.getvalue())
    manifest = json.loads(copy_of(kept_backup).read_text())
    assert told["file"] == str(kept_backup)
    assert (told["rows"], told["state_hash"]) == (manifest["rows"], manifest["state_hash"])
    assert told["bytes"] == kept_backup.stat().st_size
    page = (project.BASE_DIR / "docs/backups.md").read_text(encoding="utf-8")
    assert [name for name in (told | manifest) if f"`{name}`" not in page] == []
