"""What is typed before a command, and that manage.py does not start a second registry on a server."""

import os
import subprocess
import sys
from pathlib import Path

from core.installation import OURS, why_not_plain

ROOT = Path(__file__).parents[2]


def linked(folder: Path, target: Path) -> Path:
    link = folder / "gvrc-admin"
    link.symlink_to(target)
    return link


def test_a_checkout_that_a_server_runs_refuses_plain_manage_py(tmp_path: Path) -> None:
    refused = why_not_plain({}, linked(tmp_path, OURS))

    assert refused is not None
    assert "sudo gvrc-admin" in refused


def test_named_settings_are_enough(tmp_path: Path) -> None:
    assert why_not_plain({"DJANGO_SETTINGS_MODULE": "core.settings.production"}, linked(tmp_path, OURS)) is None


def test_a_checkout_beside_a_server_is_a_developers(tmp_path: Path) -> None:
    assert why_not_plain({}, linked(tmp_path, tmp_path / "elsewhere/deploy/gvrc-admin")) is None
    assert why_not_plain({}, tmp_path / "no-link") is None


def test_hints_name_the_command_of_the_server() -> None:
    told = "from core.installation import IS_SERVER, MANAGE; print(MANAGE, IS_SERVER)"
    by_hand = {name: value for name, value in os.environ.items() if name != "GVRC_COMMAND"}

    said = [
        subprocess.run(
            [sys.executable, "-c", told], env=env, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for env in (by_hand | {"GVRC_COMMAND": "sudo gvrc-admin"}, by_hand)
    ]

    assert said == ["sudo gvrc-admin True\n", ".venv/bin/python manage.py False\n"]


def test_wrapper_and_units_say_how_they_are_called() -> None:
    for name in ("gvrc-admin", "systemd/gvrc-admin-.service.d/10-common.conf"):
        assert "GVRC_COMMAND" in (ROOT / "deploy" / name).read_text(), name
