"""docs/settings.md: every variable of the environment that is read, from .env.example and the code that reads it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from docs.generate.code import Code
from docs.generate.markdown import code_span, table
from docs.generate.modules import ROOT, Call

PATH = "settings.md"
_SECTION = re.compile(r"# --- (?P<title>.*?) -+$")
_VARIABLE = re.compile(r"(?:# )?(?P<name>[A-Z][A-Z_]+)=(?P<value>.*)$")
_INTRODUCTION = """\
Every setting is a variable of the environment; `.env.example` is the list to copy from, and this page is made from
it. Nothing reads a file named `.env` by itself: systemd's `EnvironmentFile=`, or `set -a; . ./.env; set +a` in a
shell, does. A secret is also read from the file that `NAME_FILE` names (`SECRET_KEY_FILE=/run/secrets/secret_key`),
which wins over `NAME`. A setting that holds nonsense stops every command, and the site, with one line.
[configuration.md](configuration.md) has whole files for each environment.
"""


class UndocumentedError(Exception):
    """A setting that is read stands nowhere in .env.example, or stands there without a comment."""


@dataclass(frozen=True)
class Setting:
    """A variable: its section and comment in .env.example, the value that stands there, and the files that read it."""

    name: str
    section: str
    comment: str
    example: str
    reader: str = ""
    paths: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        if self.name == "DJANGO_SETTINGS_MODULE":
            return code_span("core.settings.development") + " (`manage.py`), `core.settings.production` (the site)"
        return code_span(self.example) if self.example and "example.or.ke" not in self.example else "none"


def write_page(code: Code) -> str:
    """Return the page; raises UndocumentedError."""
    settings = find_settings(code)
    parts = [f"# Settings\n\n{_INTRODUCTION}"]
    for section in dict.fromkeys(setting.section for setting in settings):
        rows = [
            (
                f"{code_span(setting.name)}{', `' + setting.name + '_FILE`' if setting.reader == 'secret' else ''}",
                setting.default,
                setting.comment,
                ", ".join(map(code_span, setting.paths)),
            )
            for setting in settings
            if setting.section == section
        ]
        parts.append(f"\n## {section}\n\n{table(('setting', 'default', 'what it is', 'read in'), rows)}")
    return "".join(parts)


def find_settings(code: Code) -> list[Setting]:
    """Return every setting in the order of .env.example; raises UndocumentedError."""
    read = _find_reads(code)
    settings = []
    for setting in _read_example():
        reader, paths = read.pop(setting.name, ("", ()))
        settings.append(Setting(setting.name, setting.section, setting.comment, setting.example, reader, paths))
    if read:
        raise UndocumentedError(f".env.example lacks {', '.join(sorted(read))}")
    return settings


def _read_example() -> Iterator[Setting]:
    section, comment, was_variable = "Settings", [""], False
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if found := _SECTION.match(line):
            section, comment = found["title"], []
        elif found := _VARIABLE.match(line):
            if not comment and found["name"] != "DJANGO_SETTINGS_MODULE":
                raise UndocumentedError(f".env.example says nothing of {found['name']}: put a comment above it")
            said = " ".join(comment) or "the module of settings; production's is the one for a site that others use"
            yield Setting(found["name"], section, said, found["value"])
        elif line.startswith("#"):
            comment = [*([] if was_variable else comment), line.removeprefix("#").strip()]
        else:
            comment = []
        was_variable = bool(_VARIABLE.match(line))


def _find_reads(code: Code) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the names of all variables that are read -> what reads them, and the files where that stands."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for call in code.calls:
        name = _name_read(call)
        if name:
            _, paths = found.get(name, ("", ()))
            found[name] = call.name, tuple(dict.fromkeys((*paths, call.place.module.path)))
    return found


def _name_read(call: Call) -> str:
    """Return the variable that a call reads, "" where it reads none by name."""
    first = call.argument("name", 0)
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.isupper()):
        return ""
    function = ast.unparse(call.node.func)
    reader = call.place.module.value_of(function)
    is_reader = function.startswith("env.") or getattr(reader, "__module__", "") == "core.environment"
    return first.value if is_reader else ""
