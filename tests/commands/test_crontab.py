"""Each line of deploy/crontab, run as cron runs it: hardly an environment, no terminal, silence when it went well."""

import os
import pwd
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.embedded_postgres import Server
from tests.production import GOOD, KEYS, ROOT, on
from tests.world import provider, write_providers

ME = pwd.getpwuid(os.geteuid())
LINES = [
    line for line in (ROOT / "deploy" / "crontab").read_text().splitlines() if line[:1].isdigit() or line[:1] == "*"
]
JOBS = {line.split("--quietly ")[1].split()[0]: line.split(maxsplit=6)[6] for line in LINES}


@dataclass(frozen=True)
class Machine:
    """What an office has: settings in a folder, lists in another one, the command in the search path."""

    place: Path
    lists: Path

    def cron(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line as cron does."""
        environment = {
            "HOME": ME.pw_dir,
            "LOGNAME": ME.pw_name,
            "SHELL": "/bin/sh",
            "PATH": f"{self.place}/bin:/usr/bin:/bin",
            "GVRC_SETTINGS": str(self.place / "etc"),
            "GVRC_JOBS_LOG": str(self.log),
            "GVRC_USER": ME.pw_name,
        }
        return subprocess.run(
            ["/bin/sh", "-c", command], cwd=ME.pw_dir, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def log(self) -> Path:
        return self.place / "log" / "jobs.log"


@pytest.fixture(scope="module")
def machine(migrated: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("office")
    lists = place / "Orodha ya Murang\u2019a"
    for folder in (place / "bin", place / "etc", lists):
        folder.mkdir()
    (place / "bin" / "gvrc-admin").symlink_to(ROOT / "deploy" / "gvrc-admin")
    settings = {
        "ALLOWED_HOSTS": GOOD["ALLOWED_HOSTS"],
        "RAW_DATA_DIR": str(lists),
        "SAFEGUARDING_CONTACT": "Asha & sons; $(id)",
        "BACKUP_KEY": secrets.token_urlsafe(48),
        "BACKUP_DIR": str(place / "backups"),
    }
    write_settings(place / "etc" / "env", KEYS | settings | {"DATABASE_URL": str(on(migrated)["DATABASE_URL"])})
    write_settings(place / "etc" / "owner.env", {"DATABASE_OWNER_URL": str(on(migrated)["DATABASE_OWNER_URL"])})
    machine = Machine(place, lists)
    done = machine.cron("gvrc-admin load_geography")
    assert done.returncode == 0, done.stderr
    return machine


def write_settings(path: Path, settings: dict[str, str]) -> None:
    path.write_text("# settings\n\n" + "".join(f"{name}='{value}'\n" for name, value in settings.items()))


@pytest.mark.parametrize("name", sorted(JOBS.keys() - {"health_check"}))  # an office with one list is not healthy
def test_a_job_says_nothing_when_it_went_well(machine: Machine, name: str) -> None:
    write_providers(machine.lists, [provider(number) for number in range(3)])
    command = JOBS[name].replace("import_facilities", "import_facilities other_services")
    done = machine.cron(command.replace("/var/lib/prometheus/node-exporter", str(machine.place)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert f"exit status 0: gvrc-admin {name}" in machine.log.read_text()
    assert machine.log.stat().st_mode & 0o777 == 0o600


def test_a_job_that_fails_says_why_and_ends_with_its_status(machine: Machine) -> None:
    (machine.lists / "other_services.json").write_text("{")
    done = machine.cron(JOBS["import_facilities"].replace("import_facilities", "import_facilities other_services"))
    assert done.returncode == 1
    assert "other_services.json" in done.stderr
    assert "exit status 1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


ODD = (
    "DATABASE_URL=postgres://a:kilimani@b/c?d=e&f=g",
    "A = kilimani",
    'A="kilimani$(id)"',
    "A='kili'mani'",
    "A='kilimani\\'",
    "export A=kilimani",
    "A=\0kilimani",  # grep takes the file for binary
)


def test_a_job_on_settings_that_only_one_of_shell_and_systemd_would_read_is_refused(machine: Machine) -> None:
    path = machine.place / "etc" / "env"
    good = path.read_text()
    for odd in ODD:
        path.write_text(f"{good}{odd}\n")
        done = machine.cron("gvrc-admin check")
        assert done.returncode == 1
        assert f"{path}, line {len(good.splitlines()) + 1}:" in done.stderr
        assert "kilimani" not in done.stderr
    path.write_text(good)


def test_without_its_settings_no_command_starts(machine: Machine) -> None:
    done = machine.cron("GVRC_SETTINGS=/nowhere gvrc-admin migrate")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/nowhere/env is not there" in done.stderr


def test_the_lines_are_of_the_form_that_cron_takes() -> None:
    text = (ROOT / "deploy" / "crontab").read_text()
    assert text.endswith("\n")
    assert len(LINES) == len(JOBS) == 6
    for line in LINES:
        assert "%" not in line, "cron would end the command there"
        assert line.split()[5] in {"root", "gvrc"}
        assert all(set(field) <= set("0123456789*/,-") for field in line.split()[:5])
