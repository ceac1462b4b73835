"""docs/commands.md: every command of ours with its options, exit codes and the JSON that it prints, from the parsers."""

import argparse
import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.test import override_settings

from core.errors import ExitCode
from docs.generate.code import Code
from docs.generate.exit_codes import exit_codes_of
from docs.generate.json_shapes import print_examples, shape_in_lines
from docs.generate.markdown import code_span, table
from docs.generate.modules import APPS

PATH = "commands.md"
MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.SUCCESS: "success",
    ExitCode.FAILURE: "a source, or the whole run, was refused; sound sources may have loaded; the reason is one line",
    ExitCode.WRONG_USAGE: "wrong usage",
    ExitCode.LOCK_HELD: "another import, backup or restore is at work; the message names it, host, pid and since when",
    ExitCode.BEYOND_GATE: "finished, but beyond `--max-rejects` or `--fail-on`",
    ExitCode.INTERRUPTED: "interrupted, or the database went away; go on with `--resume`",
}
_INTRODUCTION = """\
Run them as `.venv/bin/python manage.py NAME`; `--help` says the same as this page. Results go to stdout, progress and
logs to stderr. `--quiet` prints nothing on success: what cron mails then is a failure. Every command also takes
Django's own options, such as `--settings` and `--traceback`.
"""


def write_page(code: Code) -> str:
    """Return the page; the JSON is that of a registry that was imported from data/raw."""
    codes = table(("exit code", "means"), ((str(int(number)), meaning) for number, meaning in MEANINGS.items()))
    parts = [f"# Commands\n\n{_INTRODUCTION}\n## Exit codes\n\n{codes}"]
    shapes = print_examples()
    with override_settings(ETL_WORKERS=4):  # else as many as this machine has cores
        parts += [_describe(name, app, code, shapes) for name, app in find_commands().items()]
    return "\n".join(parts)


def find_commands() -> dict[str, str]:
    """Return the names of our commands -> their apps; those that only change how one of Django's works are there, too."""
    return {name: app for name, app in sorted(get_commands().items()) if app in APPS}


def parser_of(name: str, app: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    command = load_command_class(app, name)
    assert isinstance(command, BaseCommand)
    return command.create_parser("manage.py", name)


def own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options and arguments of a command beside those that every command of Django has."""
    everywhere = {action.dest for action in BaseCommand().create_parser("manage.py", "any")._actions}  # noqa: SLF001 - argparse has no other way
    return [action for action in parser._actions if action.dest not in everywhere]  # noqa: SLF001


def _describe(name: str, app: str, code: Code, shapes: Mapping[str, Any]) -> str:
    module = next(module for module in code.modules if module.path == f"{app}/management/commands/{name}.py")
    parser, command = parser_of(name, app), load_command_class(app, name)
    overridden = next(
        (base.__module__ for base in type(command).__mro__[1:] if base.__module__.endswith(f".{name}")), ""
    )
    lines = [f"## {name}\n"]
    if overridden:
        summary = (ast.get_docstring(module.tree) or "").partition(", ")[2]
        return "\n".join([*lines, f"Django's `{name}`: {summary}\n"])
    lines.append(f"{command.help}\n")
    rows = [_row(action) for action in own_actions(parser)]
    if rows:
        lines.append(table(("argument", "default", "what it does"), rows))
    lines.append(f"Exit codes: {', '.join(map(str, exit_codes_of(module, code)))}.\n")
    for arguments, shape in shapes.items():
        if arguments.split()[0] == name:
            lines += [f"`{arguments}` prints:\n", "```", *shape_in_lines(shape), "```\n"]
    return "\n".join(lines)


def _row(action: argparse.Action) -> tuple[str, str, str]:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    choices = "\\|".join(str(choice) for choice in action.choices) if action.choices else ""
    if action.option_strings:
        takes = "" if action.nargs == 0 else f" {choices or metavar}"
        shown = f"{', '.join(action.option_strings)}{takes}"
    else:
        shown = choices or metavar
        shown = f"[{shown} ...]" if action.nargs == "*" else shown
    return code_span(shown.replace("\\|", "|")), _default(action), _sentence(action.help or "")


def _default(action: argparse.Action) -> str:
    value = action.default
    if value in (None, False, "", argparse.SUPPRESS) or value == [] or action.nargs == 0:
        return ""
    if isinstance(value, Path) and value.is_relative_to(settings.BASE_DIR):
        value = value.relative_to(settings.BASE_DIR)
    return code_span(str(value))


def _sentence(help_text: str) -> str:
    return re.sub(re.escape(str(settings.BASE_DIR)) + "/?", "", help_text).replace("%%", "%")
