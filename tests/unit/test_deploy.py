"""deploy/: units, crontab, proxy and log rotation name what is there, agree with one another, and are taken by their programs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from core.errors import ExitCode
from tests.production import ROOT, assert_can_be_typed, certificate

DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("gvrc-admin*.service"))
PYTHON = "/opt/gvrc-admin/.venv/bin/python manage.py "


def lines_of(unit: Path, key: str) -> list[str]:
    return [line.split("=", 1)[1] for line in unit.read_text().splitlines() if line.startswith(f"{key}=")]


COMMANDS_OF_UNITS = {
    command.removeprefix(PYTHON)
    for unit in SERVICES
    for command in lines_of(unit, "ExecStart")
    if command.startswith(PYTHON)
}
COMMANDS_OF_CRON = {
    line.split("--quietly ", 1)[1]
    for line in (DEPLOY / "crontab").read_text().splitlines()
    if " --quietly " in line[1:]
}


@pytest.mark.parametrize("command", sorted(COMMANDS_OF_UNITS | COMMANDS_OF_CRON))
def test_every_job_names_a_command_and_options_that_exist(command: str) -> None:
    assert_can_be_typed(command)


def test_timers_and_crontab_run_the_same_jobs() -> None:
    assert COMMANDS_OF_UNITS - {"db_worker"} == COMMANDS_OF_CRON


def test_every_timer_has_a_service_that_starts_by_nothing_else() -> None:
    timers = sorted(UNITS.glob("*.timer"))
    assert len(timers) == 5
    for timer in timers:
        assert "WantedBy=timers.target" in timer.read_text()
        assert "[Install]" not in timer.with_suffix(".service").read_text()


def test_every_unit_has_the_common_settings_and_tells_of_its_failure() -> None:
    common = UNITS / "gvrc-admin-.service.d" / "10-common.conf"
    # systemd follows a linked file there, and no linked directory
    assert (UNITS / "gvrc-admin.service.d" / "10-common.conf").resolve() == common
    assert not (UNITS / "gvrc-admin.service.d").is_symlink()
    assert lines_of(common, "OnFailure") == ["gvrc-alert@%N.service"]
    assert (UNITS / "gvrc-alert@.service").is_file()


def test_an_import_is_tried_again_after_what_passes_and_not_after_what_wants_a_person() -> None:
    (never,) = lines_of(UNITS / "gvrc-admin-import.service", "RestartPreventExitStatus")
    passing = {ExitCode.SUCCESS, ExitCode.LOCK_HELD, ExitCode.INTERRUPTED}
    assert {int(code) for code in never.split()} == set(ExitCode) - passing


def test_every_file_that_a_unit_runs_is_there_and_may_be_run() -> None:
    text = "".join(unit.read_text() for unit in UNITS.glob("*.service"))
    for name in set(re.findall(r"/opt/gvrc-admin/((?:deploy|docs)/[\w./-]+)", text)) | {"deploy/gvrc-admin"}:
        assert (ROOT / name).is_file(), name
    for name in ("gvrc-admin", "tell-failure"):
        assert os.access(DEPLOY / name, os.X_OK)
        assert subprocess.run(["/bin/sh", "-n", DEPLOY / name], check=False).returncode == 0


def run_if_there(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the system with its usual places in the search path; skip where it is not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    if not program:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path / "units", symlinks=True)
    units = sorted(path for path in (tmp_path / "units").iterdir() if path.is_file())
    for unit in units:
        unit.write_text(unit.read_text().replace("/opt/gvrc-admin", str(ROOT)))
    done = run_if_there("systemd-analyze", "verify", "--man=no", *units)
    # whether curl is on this machine is not the units' concern
    wrong = [line for line in done.stderr.splitlines() if "gvrc" in line and "curl is not executable" not in line]
    assert wrong == []


def test_systemd_takes_every_time() -> None:
    times = [time for timer in UNITS.glob("*.timer") for time in lines_of(timer, "OnCalendar")]
    done = run_if_there("systemd-analyze", "calendar", *times)
    assert done.returncode == 0, done.stderr


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "registry.example.or.ke")
    site = re.sub(r"/etc/letsencrypt/\S+\.pem", str(pem), (DEPLOY / "nginx.conf").read_text())
    site = re.sub(r"listen (\[::\]:)?(80|443)", r"listen \g<1>2\2", site)  # who is not root may not listen there
    (tmp_path / "site.conf").write_text(site.replace("/var/log/nginx", str(tmp_path)))
    kept = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"pid {tmp_path}/pid; error_log {tmp_path}/error; events {{}}\nhttp {{ {kept} include {tmp_path}/site.conf; }}\n"
    (tmp_path / "main.conf").write_text(main)
    done = run_if_there("nginx", "-t", "-e", tmp_path / "early", "-c", tmp_path / "main.conf")
    assert done.returncode == 0, done.stderr


def test_nginx_agrees_with_the_site() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    gunicorn = (DEPLOY / "gunicorn.conf.py").read_text()
    (bind,) = re.findall(r'^bind = "([^"]+)"', gunicorn, re.MULTILINE)
    assert set(re.findall(r"proxy_pass http://([^;]+);", text)) == {bind}
    assert f"http://{bind}/healthz" in (UNITS / "gvrc-admin-health.service").read_text()
    upload = text.partition(f"location = {reverse('admin:etl_runrequest_add')} {{")[2].partition("}")[0]
    (largest,) = re.findall(r"client_max_body_size (\d+)m;", upload)
    assert int(largest) > settings.ETL_MAX_FILE_MB
    assert "proxy_request_buffering off;" in upload
    assert "X-Forwarded-For $remote_addr;" in text
    assert "X-Forwarded-Proto $scheme;" in text
    log_format = text.partition("log_format gvrc_admin")[2].partition(";")[0]
    assert not re.search(r"\$(request|request_uri|args|query_string|http_referer)\b", log_format)


def test_logrotate_takes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "gvrc-admin"
    text = (DEPLOY / "logrotate").read_text().replace("/opt/gvrc-admin/var/log", str(tmp_path))
    path.write_text(re.sub(r"gvrc gvrc", "root root", text))
    path.chmod(0o644)
    (tmp_path / "jobs.log").write_text("a line\n")
    done = run_if_there("logrotate", "--debug", "--state", tmp_path / "state", path)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert f"considering log {tmp_path}/jobs.log" in done.stderr


FAKES = {
    "journalctl": r"""cat <<'LINES'
Started GVRC Admin.
{"event": "a batch failed", "level": "error", "code": "database-lost", "facility": "Kilimani Shelter", "run": 3}
{"event": "Not Found: /call/0722100200/now", "level": "warning", "logger": "django.request"}
{"event": "no secret is here", "level": "info"}
other_services.json: a plain line with +254722100200
LINES""",
    "systemctl": 'case "$*" in *Result*) echo exit-code;; *) echo 4;; esac',
    "sendmail": 'cat >"$STATE_DIRECTORY/mail"',
    "curl": '{ printf "%s\\n" "$@"; cat; } >"$STATE_DIRECTORY/hook"',
}


def tell(place: Path, **chosen: str) -> subprocess.CompletedProcess[str]:
    """Run deploy/tell-failure on a machine whose journal, mailer and curl are scripts."""
    for name, script in FAKES.items():
        (place / name).write_text(f"#!/bin/sh\n{script}\n")
        (place / name).chmod(0o755)
    environment = {"PATH": f"{place}:/usr/bin:/bin", "STATE_DIRECTORY": str(place)} | chosen
    command = [DEPLOY / "tell-failure", "gvrc-admin-import"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_failure_is_told_by_mail_without_a_value_and_once(tmp_path: Path) -> None:
    done = tell(tmp_path, GVRC_ALERT_MAIL="me@example.or.ke")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    mail = (tmp_path / "mail").read_text()
    assert mail.startswith("To: me@example.or.ke\nSubject: gvrc-admin-import failed on ")
    assert "exit-code, exit status 4" in mail
    assert "  a batch failed (database-lost)\n" in mail
    assert "  Not Found\n" in mail
    assert "0722" not in mail
    assert "Kilimani" not in mail
    assert "254" not in mail
    assert "no secret" not in mail
    (tmp_path / "mail").unlink()
    again = tell(tmp_path, GVRC_ALERT_MAIL="me@example.or.ke")
    assert again.returncode == 0
    assert "failed again" in again.stderr
    assert not (tmp_path / "mail").exists()


def test_a_failure_is_told_to_a_webhook_whose_address_is_in_no_list_of_processes(tmp_path: Path) -> None:
    done = tell(tmp_path, GVRC_ALERT_URL="https://hooks.example.or.ke/secret")
    assert done.returncode == 0, done.stderr
    *arguments, last = (tmp_path / "hook").read_text().splitlines()
    assert last == 'url = "https://hooks.example.or.ke/secret"'
    assert "secret" not in "".join(arguments)
    assert any(argument.startswith('{"text": "gvrc-admin-import failed on ') for argument in arguments)


def test_where_nobody_can_be_told_the_alert_itself_fails(tmp_path: Path) -> None:
    done = tell(tmp_path)
    assert done.returncode == 1
    assert "set GVRC_ALERT_MAIL or GVRC_ALERT_URL" in done.stderr
