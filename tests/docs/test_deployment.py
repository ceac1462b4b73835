"""docs/deployment.md, docs/upgrade.md and deploy/README.md name files, commands and settings that are there."""

import re

import pytest

from tests.production import ROOT, assert_can_be_typed

PAGES = {name: (ROOT / name).read_text() for name in ("docs/deployment.md", "docs/upgrade.md", "deploy/README.md")}
ALL = "\n".join(PAGES.values())
# as typed: up to a remark, a pipe, the next command, or the backquote that ends it
TYPED = sorted({found.strip() for found in re.findall(r"sudo (?:-u gvrc )?gvrc-admin ([a-z][^#|&`\n]*)", ALL)})


@pytest.mark.parametrize("command", TYPED)
def test_every_command_that_is_typed_exists_with_those_options(command: str) -> None:
    assert_can_be_typed(command)


def test_every_file_of_the_project_that_is_named_is_there() -> None:
    named = set(re.findall(r"(?<![\w/.])((?:deploy|core|docs|etl)/[\w./-]*\w)", ALL))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    listed = set(re.findall(r"^\| `([^`]+)`", PAGES["deploy/README.md"], re.MULTILINE))
    there = {path.name + "/" * path.is_dir() for path in (ROOT / "deploy").iterdir()} - {"README.md", "__pycache__/"}
    assert there <= listed


def test_every_unit_that_is_named_is_there_and_every_timer_is_named() -> None:
    units = {path.name for path in (ROOT / "deploy" / "systemd").iterdir()}
    named = set(re.findall(r"\b(gvrc-(?:admin|alert)[\w-]*\.(?:service|timer))", ALL))
    assert named <= units
    assert {name for name in units if name.endswith(".timer")} <= named


def test_every_setting_that_a_server_needs_stands_in_the_one_list() -> None:
    page = PAGES["docs/deployment.md"]
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    written = set(re.findall(r"^([A-Z_]+)='?", page, re.MULTILINE))
    of_others = {"GVRC_ALERT_MAIL", "GVRC_ALERT_URL"}  # deploy/tell-failure's
    assert {"DATABASE_URL", "DATABASE_OWNER_URL", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "RAW_DATA_DIR"} <= written
    assert written - of_others <= example


def test_every_exit_status_of_an_import_is_explained() -> None:
    table = PAGES["docs/deployment.md"].partition("| exit status |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\d) \|", table, re.MULTILINE) == ["1", "2", "3", "4", "5"]
