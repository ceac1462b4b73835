"""docs/error-texts.md: every text that an error of ours may show to a person, sorted for searching."""

import argparse
import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import CommandError

from core.errors import ExplainedError
from docs.generate.code import VARIES, Code
from docs.generate.exit_codes import given_codes
from docs.generate.markdown import code_span, table
from docs.generate.modules import Call

PATH = "error-texts.md"
# beside these, whatever is an Exception of ours
FOREIGN = (CommandError, ImproperlyConfigured, ValidationError, argparse.ArgumentTypeError)
_MAY_BE = f" ({VARIES})"  # said where there is something to say
FEWEST_LETTERS = 8  # of a text that says something
_INTRODUCTION = """\
Every text of an error that a person may see, in alphabetical order; `...` stands for what varies. Search here for a
few words of what you see, without names and numbers. "code" is what the log calls it, "exit" the command's exit code,
"-" where a page or a form says it. [troubleshooting.md](troubleshooting.md) says what to do about the usual ones;
each text says it in short itself.
"""


_OF_CODES = """\
Stable names of what stops a run, as the log has them. `unexpected`, `database-lost` and `database-refused` are the
log's words for what no error of ours foresaw.
"""


@dataclass(frozen=True, order=True)
class ErrorText:
    """A text, the error that it belongs to, its code and exit code ("-" where there is none), and the file it stands in."""

    text: str
    error: str
    code: str
    exit_code: str
    path: str


def write_page(code: Code) -> str:
    """Return the page."""
    rows = [
        (code_span(found.text), found.error, found.code, found.exit_code, code_span(found.path))
        for found in sorted(find_error_texts(code), key=lambda found: (_bare(found.text), found))
    ]
    texts = table(("text", "error", "code", "exit", "where"), rows)
    codes = table(("code", "exit", "what happened"), find_codes(code))
    return f"# Error texts\n\n{_INTRODUCTION}\n{texts}\n## Codes\n\n{_OF_CODES}\n{codes}"


def find_codes(code: Code) -> list[tuple[str, str, str]]:
    """Return the code of every error that has one, its exit code, and the first line of what it says of itself."""
    assert all(module.loaded for module in code.modules)
    errors = {error.code: error for error in _with_code(ExplainedError)}
    return [
        (code_span(name), str(int(getattr(error, "exit_code", 1))), (error.__doc__ or "").splitlines()[0])
        for name, error in sorted(errors.items())
    ]


def _with_code(error: Any) -> Iterator[Any]:
    if "code" in vars(error):
        yield error
    for child in error.__subclasses__():
        yield from _with_code(child)


def find_error_texts(code: Code) -> set[ErrorText]:
    """Return every text of an error, and every reason that is written to stderr."""
    found = {text for call in code.calls for text in (*_of_an_error(call, code), *_to_stderr(call, code))}
    known = {text.text for text in found if text.error != "stderr"}
    found = {text for text in found if text.error != "stderr" or text.text not in known}
    return {
        text
        for text in found
        if _MAY_BE not in text.text or replace(text, text=text.text.replace(_MAY_BE, "")) not in found
    }


def _of_an_error(call: Call, code: Code) -> Iterator[ErrorText]:
    if not call.name.endswith(("Error", "Configured")):
        return
    error = call.place.module.value_of(ast.unparse(call.node.func))
    if not (isinstance(error, type) and issubclass(error, Exception)):
        return
    if not (issubclass(error, FOREIGN) or error.__module__.split(".")[0] in {"core", "geography", "facilities", "etl"}):
        return
    for text in _said(call.node.args[0] if call.node.args else None, call, code):
        yield ErrorText(
            text, error.__name__, getattr(error, "code", None) or "-", _exit_code(error, call), call.place.module.path
        )


def _to_stderr(call: Call, code: Code) -> Iterator[ErrorText]:
    function = ast.unparse(call.node.func)
    is_print = function == "print" and ast.unparse(call.argument("file") or ast.Constant("")) == "sys.stderr"
    if not (is_print or function.endswith("stderr.write")):
        return
    for text in _said(call.node.args[0], call, code):
        yield ErrorText(text, "stderr", "-", "-", call.place.module.path)


def _said(node: ast.expr | None, call: Call, code: Code) -> Iterator[str]:
    nodes = list(node.values) if isinstance(node, ast.Dict) else [node]  # a form's errors by field
    places = ((one, place) for one in nodes if one for place in code.each_caller(one, call.place))
    for text in (text for one, place in places for text in code.texts_of(one, place)):
        line = " ".join(text.split())
        if sum(letter.isalpha() for letter in line.replace(VARIES, "")) >= FEWEST_LETTERS:
            yield line


def _exit_code(error: type[Exception], call: Call) -> str:
    if given := call.argument("returncode"):
        return " or ".join(map(str, sorted(given_codes(given, call.place.module))))
    if issubclass(error, argparse.ArgumentTypeError):
        return "2"
    if hasattr(error, "exit_code"):
        stated: Any = error.exit_code
        return str(int(stated))
    return "1" if issubclass(error, CommandError | ImproperlyConfigured | ExplainedError) else "-"


def _bare(text: str) -> str:
    """Return what a text is sorted by: its letters, from the first word that does not vary."""
    return "".join(letter for letter in text.lower() if letter.isalnum())
