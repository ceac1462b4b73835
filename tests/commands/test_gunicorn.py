"""The site as production runs it: gunicorn with deploy/gunicorn.conf.py, which ends, starts again and says nothing of queries."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.embedded_postgres import Server
from tests.production import ROOT, environment, on

PROXY = {
    "Host": "registry.example.or.ke",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "198.51.100.7",
    "Referer": "https://registry.example.or.ke/",
}
STATIC = (
    "favicon.svg", "admin/css/base.css", "unfold/css/styles.css", "core/accessible.js", "etl/watch.js",
    "facilities/vendor/leaflet/leaflet.js", "facilities/vendor/leaflet/leaflet.css",
)  # fmt: skip
GUNICORN = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--workers", "1"]


@dataclass(frozen=True)
class Site:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Return what the site answers to a request that comes through the proxy."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers=PROXY | headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


@contextmanager
def serving(server: Server, log: Path) -> Iterator[Site]:
    """Give a running site; it is ended by SIGTERM, as systemd ends it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = environment(on(server) | {"TRUSTED_PROXIES": "1"})
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [*GUNICORN, "--bind", f"127.0.0.1:{port}", "core.wsgi"], cwd=ROOT, env=settings, stderr=stderr
        ) as process,
    ):
        try:
            wait_for(lambda: answers(port))
            yield Site(process, port, log)
        finally:
            process.terminate()
            process.wait(30)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(claim: object, seconds: float = 30) -> None:
    assert callable(claim)
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def site(migrated: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(migrated, tmp_path_factory.mktemp("site") / "stderr") as running:
        yield running
    assert running.process.returncode == 0


@pytest.mark.parametrize("name", STATIC)
def test_static_files_come_without_a_collectstatic(site: Site, name: str) -> None:
    response, body = site.ask(f"/static/{name}")
    assert response.status == 200
    assert body == b"" or len(body) == int(response.headers["Content-Length"])
    assert response.headers["Cache-Control"] == "max-age=600, public"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_a_static_file_that_did_not_change_is_not_sent_again(site: Site) -> None:
    response, _ = site.ask("/static/favicon.svg")
    again, body = site.ask("/static/favicon.svg", **{"If-None-Match": response.headers["ETag"]})
    assert (again.status, body) == (304, b"")


def test_no_file_outside_is_served_as_static(site: Site) -> None:
    for path in ("/static/../manage.py", "/static/%2e%2e/manage.py", "/static/unfold/../../core/settings/base.py"):
        assert site.ask(path)[0].status == 404


def test_the_login_page_comes_with_its_policy_and_takes_a_post(site: Site) -> None:
    page, body = site.ask("/admin/login/")
    assert page.status == 200
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'; script-src 'self' 'unsafe-eval'")
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', body)
    assert token
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    form = f"username=asha&password=wrong&csrfmiddlewaretoken={token[1].decode()}"
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    form_headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/admin/login/", form, PROXY | form_headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert b"Please enter the correct" in answer.read()


def test_without_tls_in_front_there_is_only_a_redirect(site: Site) -> None:
    response, _ = site.ask("/admin/?q=a", **{"X-Forwarded-Proto": "http"})
    assert (response.status, response.headers["Location"]) == (301, "https://registry.example.or.ke/admin/?q=a")


def test_no_query_is_in_any_log(site: Site) -> None:
    site.ask("/admin/login/?next=/admin/%3Fq=Kibera")
    site.ask("/no/such/page/?q=Kibera")
    site.ask("/admin/login/?q=Kibera", "POST")  # refused: no token
    for request in (b"GET /admin/?q=Kibera BAD\r\n\r\n", b"G@T /?q=Kibera HTTP/1.1\r\n\r\n", b"GET /?q=Kibera\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", site.port), timeout=30) as client:
            client.sendall(request)
            client.recv(1000)
    wait_for(lambda: "Invalid request" in site.log.read_text())
    said = site.log.read_text()
    assert "Kibera" not in said
    assert all(line.startswith("{") for line in said.splitlines()), said


def test_a_reload_takes_new_workers_and_loses_no_request(site: Site) -> None:
    before = workers_of(site)
    site.process.send_signal(signal.SIGHUP)
    wait_for(lambda: site.ask("/static/favicon.svg")[0].status == 200 and not workers_of(site) & before)
    assert site.ask("/admin/login/")[0].status == 200


def workers_of(site: Site) -> set[int]:
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


@pytest.mark.parametrize("changed", [{"SECRET_KEY": "short"}, {"DATABASE_URL": None}])
def test_what_keeps_the_site_from_serving_ends_gunicorn_with_one_line(changed: dict[str, str | None]) -> None:
    command = [*GUNICORN, "--workers", "3", "--bind", "127.0.0.1:0", "core.wsgi"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(changed), capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, len(said)) == (3, 1), done.stderr
    assert "Traceback" not in done.stderr


def test_a_small_machine_and_a_large_one_stay_below_what_postgresql_takes() -> None:
    program = "import runpy; print(runpy.run_path('deploy/gunicorn.conf.py')['workers'])"
    asked = {name: value for name, value in os.environ.items() if name != "WEB_CONCURRENCY"}
    default = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=asked, capture_output=True, text=True, check=True
    )
    assert int(default.stdout) == min((os.cpu_count() or 1) + 1, 5)
    chosen = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=asked | {"WEB_CONCURRENCY": "9"}, capture_output=True, check=True
    )
    assert int(chosen.stdout) == 9
