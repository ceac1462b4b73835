"""docs/tutorial.md is walked through: its commands are run in order, by a newcomer's own folder."""

import io
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from docs.generate.modules import ROOT
from etl.models import DuplicatePair, ImportRun, SourceRecordVersion
from tests.docs.pages import blocks_of, text_of

PAGE = text_of("tutorial.md")
MANAGE = ".venv/bin/python manage.py "
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture
def newcomer(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with aliases of its own, in which relative paths of the page lead to nobody else's files."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    settings.FIXTURES_DIR = tmp_path / "fixtures"
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(imported: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Return a function that runs a command line of the page, and returns what it prints on stdout; it must succeed."""

    def run_line(line: str) -> str:
        if line.startswith("make "):
            assert line.split()[1] in TARGETS, line
            return ""
        if not line.startswith(MANAGE):
            subprocess.run(["sh", "-c", line], check=True)
            return ""
        name, *arguments = shlex.split(line.removeprefix(MANAGE))
        capsys.readouterr()
        stdout = io.StringIO()
        code: object = 0
        try:
            call_command(name, *arguments, stdout=stdout)
        except SystemExit as ended:
            code = ended.code
        assert not code, f"{line}: {capsys.readouterr().err}"
        return stdout.getvalue() + capsys.readouterr().out

    return run_line


@pytest.mark.django_db
def test_the_tutorial_can_be_walked_through(
    newcomer: Path, run: Callable[[str], str], imported: dict[str, Any]
) -> None:
    total = re.search(r"^total +(.*)$", PAGE, re.MULTILINE)
    assert total
    assert total[1].split() == [str(number) for number in imported["totals"].values()]

    told = ""
    for block in blocks_of(PAGE):
        if block.language == "json":
            (newcomer / "var" / "incoming" / "gbv_support_organizations.json").write_text(block.text)
        for line in block.text.splitlines() if block.language == "sh" else ():
            told += run(re.sub(r"\b(?:REJECT|CODE|PAIR|RUN)\b", partial(seen, told), line))

    assert "Dry run succeeded; nothing was written" in told
    counts = re.findall(r"^gbv_support_organizations +(\d+) +(\d+) +0 +0 +0 +(\d+)", told, re.MULTILINE)
    assert counts[:2] == [("3", "2", "1")] * 2  # the dry run, and the import
    assert "1 rejected record waited for this" in told
    assert not SourceRecordVersion.objects.filter(state="rejected", source_record__source="gbv_support_organizations")
    assert (newcomer / "var" / "kisumu.csv").read_text().count("\n") > 5


def seen(told: str, match: re.Match[str]) -> str:
    """Return what a newcomer reads off the screen for a name in capitals."""
    name = match[0]
    if name == "CODE":
        return re.findall(r"GVRC(?:-[A-Z0-9]{4}){3}", told)[0]
    if name == "PAIR":
        return str(
            DuplicatePair.objects.filter(decision="to_review").order_by("-score").values_list("pk", flat=True)[0]
        )
    if name == "RUN":
        return str(ImportRun.objects.filter(kind="import").latest("pk").pk)
    source = "gbv_support_organizations"
    return str(SourceRecordVersion.objects.get(state="rejected", source_record__source=source).source_record_id)


@pytest.mark.django_db
def test_the_cron_line_says_nothing_on_success(newcomer: Path, run: Callable[[str], str]) -> None:
    (crontab,) = blocks_of(PAGE, "cron")
    line = crontab.text.splitlines()[1]
    assert re.match(r"\d+ \d+ \* \* \* ", line)
    assert not re.search(r"(?<!\\)%", line), "cron takes a bare % for the end of the line"
    command = line.replace(r"\%", "%").split(" && ", maxsplit=1)[1].partition(" 2>>")[0]
    incoming = newcomer / "var" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "gbv_support_organizations.json").write_text('{"organizations": []}')
    assert run(command) == ""
    assert ImportRun.objects.latest("pk").status == "succeeded"
    assert not connection.needs_rollback
