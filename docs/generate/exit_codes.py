"""Which exit codes a command can end with: those of all that it calls, and what that calls."""

import ast
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import Any

from core.errors import ExitCode
from docs.generate.code import Code
from docs.generate.modules import APPS, Module

# every command may be broken off, or lose the database
ALWAYS = {ExitCode.SUCCESS, ExitCode.FAILURE, ExitCode.WRONG_USAGE, ExitCode.INTERRUPTED}


def exit_codes_of(module: Module, code: Code) -> list[int]:
    """Return the exit codes of a command's module; 4 is told from its option: only a limit that somebody gave is exceeded."""
    modules = {known.loaded.__name__: known for known in code.modules}
    found: set[int] = {int(always) for always in ALWAYS}
    found |= {stated for node, place in _reached(module, modules) for stated in _stated(node, place)}
    found.discard(int(ExitCode.BEYOND_GATE))
    if any(isinstance(node, ast.Constant) and node.value == "--max-rejects" for node in ast.walk(module.tree)):
        found.add(int(ExitCode.BEYOND_GATE))
    return sorted(found)


def _reached(module: Module, modules: dict[str, Module]) -> Iterator[tuple[ast.AST, Module]]:
    """Yield the command's module, and each function and class of ours that is named in it or in one that was yielded."""
    waiting: list[tuple[ast.AST, Module]] = [(module.tree, module)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        node, place = waiting.pop()
        yield node, place
        for value in _named(node, place):
            key = getattr(value, "__module__", "") or "", getattr(value, "__qualname__", "")
            definition = modules[key[0]].definitions.get(key[1]) if key[0] in modules else None
            if definition is not None and key not in seen:
                seen.add(key)
                waiting.append((definition, modules[key[0]]))


@cache  # most commands reach the same functions
def _named(node: ast.AST, place: Module) -> tuple[Any, ...]:
    names = (ast.unparse(child) for child in ast.walk(node) if isinstance(child, ast.Name | ast.Attribute))
    values = (place.value_of(name) for name in dict.fromkeys(names))
    return tuple(value for value in values if (getattr(value, "__module__", "") or "").split(".")[0] in APPS)


@cache
def _stated(node: ast.AST, place: Module) -> set[int]:
    """Return the exit codes that errors have which are made here, and those that are said by name or number."""
    found: set[int] = set()
    for child in ast.walk(node):
        match child:
            case ast.Call():
                error = place.value_of(ast.unparse(child.func))
                if isinstance(error, type) and issubclass(error, Exception) and hasattr(error, "exit_code"):
                    found.add(int(error.exit_code))
                for keyword in child.keywords:
                    if keyword.arg == "returncode":
                        found |= given_codes(keyword.value, place)
            case ast.Attribute():
                value = place.value_of(ast.unparse(child))
                if isinstance(value, ExitCode):
                    found.add(int(value))
    return found


def given_codes(node: ast.expr, place: Module) -> set[int]:
    """Return the exit codes that an argument `returncode` may come to: one, or both of an `if ... else`."""
    if isinstance(node, ast.IfExp):
        return given_codes(node.body, place) | given_codes(node.orelse, place)
    return {_number(node, place)}


def _number(node: ast.AST, place: Module) -> int:
    """Return the exit code that an expression names; 1 for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return int(node.value)
    value = place.value_of(ast.unparse(node)) if isinstance(node, ast.Name | ast.Attribute) else None
    return int(value) if isinstance(value, int | IntEnum) and not isinstance(value, bool) else 1
