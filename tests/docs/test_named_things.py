"""What the pages name is there: links, paths, commands and options, settings, exit codes, rules, targets, texts."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from benchmarks import options as benchmark_options
from core.errors import ExitCode
from core.roles import ROLES
from docs.generate.code import VARIES, Code
from docs.generate.commands import MEANINGS, find_commands
from docs.generate.error_texts import ErrorText, find_codes, find_error_texts
from docs.generate.modules import APPS, ROOT
from docs.generate.rules import find_rules
from docs.generate.settings import find_settings
from facilities.models import Lookup
from tests.docs.pages import PAGES, WRITTEN, blocks_of, prose_of, relative

# of programs that are not ours
FOREIGN_OPTIONS = {
    "--nthreads", "--seed", "--full", "--quick", "--only", "--quietly", "--deploy-hook", "--collector.textfile.directory",
}  # fmt: skip
FOREIGN_FOLDERS = ("data/processed", "data/validated", "data/county")
MADE_IN_THE_PAGE = ("etl/sources/county_clinics.py", "etl/schemas/county_clinics.json")
every_page = pytest.mark.parametrize("page", PAGES, ids=relative)
written_page = pytest.mark.parametrize("page", WRITTEN, ids=relative)


@cache
def our_code() -> Code:
    return Code()


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def spans_of(page: Path) -> list[str]:
    """Return what stands as code in the prose of a page."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose_of(read(page)))]


def lines_of(page: Path) -> Iterator[str]:
    """Yield the command lines of a page: of its blocks without a language or in the shell's, and of its spans."""
    for block in blocks_of(read(page)):
        if block.language in {"", "sh", "cron"}:
            yield from block.text.splitlines()
    yield from spans_of(page)


# links


def slugs_of(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them of its headings."""
    titles = re.findall(r"^#+ (.*)$", prose_of(read(page)), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", title)).strip().lower().replace(" ", "-")
        for title in titles
    }


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists():
            broken += [target]
        elif anchor and anchor not in slugs_of(there):
            broken.append(target)
    assert not broken


def test_the_index_names_every_page_of_docs() -> None:
    linked = set(re.findall(r"\]\(([a-z-]+\.md)", read(ROOT / "docs" / "README.md")))
    there = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert there <= linked
    assert linked <= there


@every_page
def test_every_path_is_there(page: Path) -> None:
    roots = (*APPS, "docs", "deploy", "tests", "fixtures", "benchmarks", "data", ".ci")
    lost = []
    for span in spans_of(page):
        path = span.rstrip("/:")
        is_path = path.split("/")[0] in roots and re.fullmatch(r"[\w.-]+(/[\w.*-]+)+", path)
        if is_path and path not in MADE_IN_THE_PAGE and not path.startswith(FOREIGN_FOLDERS):
            lost += [] if any(ROOT.glob(path)) else [path]
    assert not lost


# commands


@cache
def options_of(name: str) -> frozenset[str]:
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    return frozenset(option for action in parser._actions for option in action.option_strings)


def commands_in(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of manage.py that a line runs, or names, with their options."""
    words = shlex.split(line.partition(" #")[0].replace("'", "").replace('"', "").replace("\\", ""), posix=True)
    for number, word in enumerate(words):
        is_first = number == 0 and word in find_commands()
        if word.endswith("manage.py") and number + 1 < len(words):
            name = words[number + 1]
        elif is_first and not any(other.endswith("manage.py") for other in words):
            name = word
        else:
            continue
        given = [other.partition("=")[0].rstrip(",.;:)]") for other in words[number:] if re.match(r"\[?--[a-z]", other)]
        yield name, [option.lstrip("[") for option in given]


@written_page
def test_every_command_and_option_exists(page: Path) -> None:
    wrong = []
    for line in lines_of(page):
        for name, options in commands_in(line):
            if not re.fullmatch(r"[a-z_]+", name):
                continue  # "manage.py NAME"
            if name not in {*get_commands(), "help"}:
                wrong.append(name)
            elif name != "help":
                wrong += [f"{name} {option}" for option in options if option not in options_of(name)]
    assert not wrong


@written_page
def test_every_option_that_stands_alone_is_one_of_a_command(page: Path) -> None:
    known = {
        option for name in [*find_commands(), "db_worker", "check"] for option in options_of(name)
    } | FOREIGN_OPTIONS
    named = {span.split()[0].partition("=")[0] for span in spans_of(page) if re.match(r"--[a-z]", span)}
    assert named <= known


@written_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = {
        target for line in lines_of(page) for target in re.findall(r"^make ([a-z][a-z-]*)(?= [A-Z]+=| +#|$)", line)
    }
    assert named <= targets | {"room"}  # "make room" is what an error says


def test_the_benchmark_options_that_are_named_exist() -> None:
    text = Path(benchmark_options.__file__).read_text() + read(ROOT / "benchmarks" / "__main__.py")
    assert all(option in text for option in ("--seed", "--full", "--quick", "--only"))


# settings and exit codes


def settings_known() -> set[str]:
    settings = find_settings(our_code())
    return {setting.name for setting in settings} | {f"{s.name}_FILE" for s in settings if s.reader == "secret"}


@every_page
def test_every_setting_exists(page: Path) -> None:
    prefixes = {name.split("_")[0] for name in settings_known()} - {"SENTRY"}
    text = " ".join(
        [*spans_of(page), *(block.text for block in blocks_of(read(page)) if block.language in {"env", "", "sh"})]
    )
    named = {
        name for name in re.findall(r"(?<![\w-])[A-Z]+(?:_[A-Z]+)+(?![\w(])", text) if name.split("_")[0] in prefixes
    }
    assert named <= settings_known() | {"FIELD_CLASSES", "NAME_FILE"}


def test_the_readme_has_the_exit_codes_of_the_program() -> None:
    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", read(ROOT / "README.md"), re.MULTILINE))
    assert rows == {str(int(code)): meaning for code, meaning in MEANINGS.items()}


def test_the_exit_code_of_an_error_is_the_one_that_it_is_raised_with() -> None:
    stated = {found.text: found.exit_code for found in error_texts()}
    assert stated["another backup is at work ...; wait for it to end"] == str(int(ExitCode.LOCK_HELD))
    assert stated["the database failed (...): mend that, and run it again"] == "1 or 5"
    assert stated["name a FILE, or a database after --back"] == str(int(ExitCode.WRONG_USAGE))


@every_page
def test_every_exit_code_exists(page: Path) -> None:
    known = {str(int(code)) for code in MEANINGS}
    assert set(re.findall(r"[Ee]xit (?:code|status) (\d+)", read(page))) <= known


# rules, codes and texts


def names_with_hyphens() -> set[str]:
    lists = {row for model in Lookup.__subclasses__() for row in model.objects.values_list("code", flat=True)}
    return lists | set(find_rules(our_code())) | {code.strip("`") for code, _, _ in find_codes(our_code())} | set(ROLES)


@pytest.mark.django_db
def test_every_rule_and_code_that_is_named_exists() -> None:
    known = names_with_hyphens() | constants_of_the_code()
    known |= {path.name.partition(".")[0] for path in (ROOT / "deploy").rglob("*")}  # units, scripts
    named = {
        (relative(page), span)
        for page in WRITTEN
        if page.parent.name != "adr"
        for span in spans_of(page)
        if re.fullmatch(r"[a-z]+(?:-[a-z]+)+", span)
    }
    unknown = {(page, span) for page, span in named if span not in known}
    assert not unknown


@cache
def constants_of_the_code() -> frozenset[str]:
    nodes = (node for module in our_code().modules for node in ast.walk(module.tree) if isinstance(node, ast.Constant))
    return frozenset(node.value for node in nodes if isinstance(node.value, str))


@cache
def words_of_the_code() -> str:
    """Return every text that stands in the code, the templates or the Makefile."""
    templates = (path.read_text(encoding="utf-8") for app in APPS for path in (ROOT / app).rglob("*.html"))
    return "\n".join([*constants_of_the_code(), *templates, read(ROOT / "Makefile")])


QUOTES = [
    (page, quote.strip("` ")) for page in WRITTEN for quote in re.findall(r"^> (`+.*`+)$", read(page), re.MULTILINE)
]


@pytest.mark.parametrize(("page", "quote"), QUOTES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_text_that_is_quoted_is_one_of_the_program(page: Path, quote: str) -> None:
    if quote in {found.text for found in error_texts()}:
        return
    parts = [part.strip() for part in quote.split(VARIES) if len(part.strip()) > 3]
    assert parts
    assert all(part in words_of_the_code() for part in parts), quote


@cache
def error_texts() -> frozenset[ErrorText]:
    return frozenset(find_error_texts(our_code()))
