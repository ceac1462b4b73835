"""Production starts with good settings only, says in one line what is wrong with others, and serves no owner of tables."""

import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.embedded_postgres import Server
from tests.production import GOOD, KEYS, ROOT, certificate, environment, on


def production(changed: dict[str, str | None], *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with production's settings and these changes to good ones; None takes a variable away."""
    command = (sys.executable, *command)
    return subprocess.run(command, cwd=ROOT, env=environment(changed), capture_output=True, text=True, check=False)


def test_the_deployment_check_finds_nothing_with_good_settings() -> None:
    done = production({}, "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_site_starts_without_a_backup_key_and_the_deployment_check_warns() -> None:
    assert production({"BACKUP_KEY": None}, "manage.py", "check").returncode == 0
    done = production({"BACKUP_KEY": None}, "manage.py", "check", "--deploy")
    assert "core.W002" in done.stderr


def database(password: str = "s7-Kilimani-west", *, host: str = "db.example.or.ke", query: str = "") -> str:
    return f"postgres://gvrc_app:{password}@{host}/gvrc_admin{query}"


LONG = "0123456789abcdef" * 4
REFUSED: dict[str, tuple[dict[str, str | None], str]] = {
    "no secret key": ({"SECRET_KEY": None}, "SECRET_KEY"),
    "nothing at all": (dict.fromkeys(GOOD), "ALLOWED_HOSTS, DATABASE_URL, FIELD_KEYS, INDEX_KEY, SECRET_KEY"),
    "an empty secret key": ({"SECRET_KEY": ""}, "SECRET_KEY"),
    "a short secret key": ({"SECRET_KEY": LONG[:49]}, "fewer than 50"),
    "a plain secret key": ({"SECRET_KEY": "abc" * 30}, "different characters"),
    "Django's own secret key": ({"SECRET_KEY": f"django-insecure-{LONG}"}, "example or a test"),
    "a short field key": ({"FIELD_KEYS": LONG[:31]}, "fewer than 32"),
    "a short older field key": ({"FIELD_KEYS": f"{KEYS['FIELD_KEYS']},short"}, "FIELD_KEYS"),
    "a field key of a comma": ({"FIELD_KEYS": ","}, "FIELD_KEYS"),
    "a plain index key": ({"INDEX_KEY": "a" * 40}, "INDEX_KEY"),
    "the tests' field key": ({"FIELD_KEYS": "a-field-key-for-tests-only-long-enough-to-pass"}, "example or a test"),
    "the tests' index key": ({"INDEX_KEY": "an-index-key-for-tests-only-long-enough-to-pass"}, "example or a test"),
    "a short backup key": ({"BACKUP_KEY": f"{KEYS['BACKUP_KEY']},short"}, "BACKUP_KEY"),
    "a backup key for two purposes": ({"BACKUP_KEY": KEYS["INDEX_KEY"]}, "INDEX_KEY and BACKUP_KEY"),
    "one key for two purposes": ({"INDEX_KEY": KEYS["FIELD_KEYS"]}, "FIELD_KEYS and INDEX_KEY"),
    "an older key for two purposes": ({"FIELD_KEYS": f"{LONG},{KEYS['SECRET_KEY']}"}, "SECRET_KEY and FIELD_KEYS"),
    "a secret that is not there": ({"SECRET_KEY_FILE": "/nowhere/at/all"}, "SECRET_KEY_FILE"),
    "SQLite": ({"DATABASE_URL": "sqlite:////tmp/gvrc.sqlite3"}, "PostgreSQL only"),
    "MySQL": ({"DATABASE_URL": "mysql://gvrc_app:s7-Kilimani-west@db/gvrc_admin"}, "PostgreSQL only"),
    "another backend": ({"DATABASE_URL": "postgis://gvrc_app:s7-Kilimani-west@db/gvrc_admin"}, "PostgreSQL only"),
    "SQLite for the owner": ({"DATABASE_OWNER_URL": "sqlite://:memory:"}, "DATABASE_OWNER_URL"),
    "no URL": ({"DATABASE_URL": "gvrc_app:s7-Kilimani-west@db/gvrc_admin"}, "DATABASE_URL"),
    "a URL with a slash in its password": ({"DATABASE_URL": database("s7/Kilimani")}, "cannot be read"),
    "the document's password": ({"DATABASE_URL": database("gvrc_password123")}, "everybody knows"),
    "password": ({"DATABASE_URL": database("password")}, "everybody knows"),
    "postgres": ({"DATABASE_URL": database("postgres")}, "everybody knows"),
    "admin": ({"DATABASE_URL": database("Admin")}, "everybody knows"),
    "changeme": ({"DATABASE_URL": database("CHANGE_ME")}, "everybody knows"),
    "the role's own name": ({"DATABASE_URL": database("gvrc_app")}, "everybody knows"),
    "a common password": ({"DATABASE_URL": database("sunshine1")}, "most common"),
    "no password": ({"DATABASE_URL": database("")}, "no password"),
    "the document's password for the owner": (
        {"DATABASE_OWNER_URL": database("gvrc_password123")},
        "DATABASE_OWNER_URL has a password that everybody knows",
    ),
    "no TLS": ({"DATABASE_URL": database(query="?sslmode=disable")}, "verify-full"),
    "TLS if it happens": ({"DATABASE_URL": database(query="?sslmode=prefer")}, "verify-full"),
    "TLS with anybody": ({"DATABASE_URL": database(query="?sslmode=require")}, "verify-full"),
    "TLS with another host": ({"DATABASE_URL": database(query="?sslmode=verify-ca")}, "verify-full"),
    "no TLS for the owner": ({"DATABASE_OWNER_URL": database(query="?sslmode=disable")}, "DATABASE_OWNER_URL"),
    "a socket that is none": ({"DATABASE_URL": database("", host="", query="?host=/tmp,db&sslmode=disable")}, "password"),
    "a cluster's address that is none": ({"ETL_CLUSTER_URL": "nonsense"}, "ETL_CLUSTER_URL must be like"),
    "a cluster without TLS": ({"ETL_CLUSTER_URL": "tcp://10.0.0.7:8786"}, "ETL_CLUSTER_URL"),
    "a cluster that only looks like this machine": ({"ETL_CLUSTER_URL": "tcp://127.0.0.1@elsewhere:8786"}, "tls://"),
    "a tracker without TLS": ({"SENTRY_DSN": "http://key@tracker.example.or.ke/1"}, "SENTRY_DSN must begin with https"),
    "a tracker that is none": ({"SENTRY_DSN": "https://tracker.example.or.ke/Kilimani"}, "SENTRY_DSN cannot be read"),
    "a ping that goes nowhere": ({"ETL_PING_URL": "file:///etc/Kilimani"}, "ETL_PING_URL must be an address"),
    "a ping to no port": ({"ETL_PING_URL": "https://hc.example.or.ke:Kilimani/"}, "ETL_PING_URL must be an address"),
    "DEBUG": ({"DEBUG": "True"}, "DEBUG"),
    "DEBUG of another kind": ({"DEBUG": "yes please"}, "DEBUG"),
    "a number that is none": ({"DB_POOL_SIZE": "ten"}, "DB_POOL_SIZE"),
    "a level that is none": ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_line_that_says_what_to_do_and_quotes_no_secret(name: str) -> None:
    changed, said = REFUSED[name]
    done = production(changed, "manage.py", "check")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr
    assert "Kilimani" not in done.stderr
    assert LONG[:20] not in done.stderr


@pytest.mark.parametrize("command", ["import_facilities", "migrate", "runserver", "state_hash"])
def test_every_command_ends_with_that_line(command: str) -> None:
    done = production({"SECRET_KEY": "short"}, "manage.py", command)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


def test_the_site_ends_with_that_line_too() -> None:
    done = production({"SECRET_KEY": "short"}, "-c", "import core.wsgi")
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1), done.stderr


def test_secrets_come_from_files_as_well(tmp_path: Path) -> None:
    for name in GOOD:
        (tmp_path / name).write_text(f"{GOOD[name]}\n")
    files = {f"{name}_FILE": str(tmp_path / name) for name in [*KEYS, "DATABASE_URL", "DATABASE_OWNER_URL"]}
    nothing: dict[str, str | None] = dict.fromkeys([*KEYS, "DATABASE_URL", "DATABASE_OWNER_URL"])
    done = production(nothing | files, "manage.py", "check")
    assert done.returncode == 0, done.stderr


def test_the_example_file_as_it_stands_is_refused() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(GOOD) <= set(example)
    assert production(dict(example), "manage.py", "check").returncode == 1
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        done = production({name: example[name]}, "manage.py", "check")
        assert "everybody knows" in done.stderr


def test_the_example_file_names_every_setting_that_is_read() -> None:
    settings = "".join(path.read_text() for path in (ROOT / "core" / "settings").glob("*.py"))
    read = set(re.findall(r'(?:secret|whole_number|log_level|one_of|scheduler_url|env\.\w+)\(\s*"([A-Z_]+)"', settings))
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read == named


# TLS: a server that speaks just enough of PostgreSQL's protocol


@contextmanager
def listening(pem: Path | None) -> Iterator[tuple[int, list[bytes]]]:
    """Give the port of a server with this certificate, or without TLS, and what it was told after the question for TLS."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        client, _ = listener.accept()
        client.settimeout(30)
        try:
            client.recv(8)  # SSLRequest
            client.sendall(b"S" if pem else b"N")
            if pem:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(pem)
                client = context.wrap_socket(client, server_side=True)
            heard.append(client.recv(1000))
        except OSError:
            pass  # hung up in the handshake
        finally:
            client.close()

    server = threading.Thread(target=answer, daemon=True)
    server.start()
    yield listener.getsockname()[1], heard
    server.join(30)
    listener.close()


CONNECT = "import django; django.setup(); from django.db import connection; connection.cursor()"


def connect(port: int, query: str) -> None:
    production(
        {"DATABASE_URL": f"{database(host=f'localhost:{port}')}{query}", "DB_CONNECT_TIMEOUT": "3"}, "-c", CONNECT
    )


def test_a_database_without_tls_is_told_nothing() -> None:
    with listening(None) as (port, heard):
        connect(port, "")
    assert heard == [b""]


def test_a_database_that_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    with listening(certificate(tmp_path, "localhost")) as (port, heard):
        connect(port, "")
    assert heard in ([], [b""])


def test_a_database_with_the_certificate_of_another_host_is_told_nothing(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "other.example.or.ke")
    with listening(pem) as (port, heard):
        connect(port, f"?sslrootcert={pem}")
    assert heard in ([], [b""])


def test_a_database_that_proves_who_it_is_is_spoken_to(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "localhost")
    with listening(pem) as (port, heard):
        connect(port, f"?sslrootcert={pem}")
    assert b"gvrc_app" in heard[0]


# on a server, over its UNIX socket


SERVE = """
import re
import core.wsgi
from django.test import Client
browser = Client(enforce_csrf_checks=True)
secure = {"secure": True, "headers": {"host": "registry.example.or.ke"}}
print(Client().get("/", headers=secure["headers"])["Location"])
page = browser.get("/admin/login/", **secure)
print(page.status_code, page["Strict-Transport-Security"], "Content-Security-Policy" in page.headers)
from core.models import User
User.objects.create_superuser("asha", password="a long password of hers")
token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())[1]
login = {"username": "asha", "password": "a long password of hers", "csrfmiddlewaretoken": token}
print(browser.post("/admin/login/", login, **secure, HTTP_REFERER="https://registry.example.or.ke/").status_code)
print(*(f"{name} {cookie['secure']} {cookie['path']} {cookie['domain']!r}" for name, cookie in sorted(browser.cookies.items())))
"""


def test_production_serves_over_tls_with_cookies_of_its_own_host(migrated: Server) -> None:
    done = production(on(migrated), "-c", SERVE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "https://registry.example.or.ke/",
        "200 max-age=31536000; includeSubDomains; preload True",
        "302",
        "__Host-csrftoken True / '' __Host-sessionid True / ''",
    ]


def test_the_owner_of_the_tables_is_warned_of_and_not_served(migrated: Server) -> None:
    owner = on(migrated, "gvrc_owner")
    check = ("manage.py", "check", "--deploy", "--fail-level", "WARNING", "--database", "default")
    assert production(on(migrated), *check).returncode == 0
    warned = production(owner, *check)
    assert warned.returncode == 1
    assert "core.W001" in warned.stderr
    refused = production(owner, "-c", "import core.wsgi")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (3, 1), refused.stderr
    assert "deploy/roles.sql" in refused.stderr


def test_a_superuser_is_not_served_either(migrated: Server) -> None:
    refused = production(on(migrated, "postgres"), "-c", "import core.wsgi")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (3, 1), refused.stderr


def test_a_site_whose_database_is_away_says_so_in_one_line_and_is_to_be_started_again() -> None:
    away = {"DATABASE_URL": "postgres://gvrc_app@/gvrc_admin?host=/nowhere", "DB_CONNECT_TIMEOUT": "1"}
    done = production(away, "-c", "import core.wsgi")
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # the log has a line of its own
    assert (done.returncode, len(said)) == (1, 1), done.stderr
