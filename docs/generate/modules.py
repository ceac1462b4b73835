"""Our own files as syntax trees: every call, where it stands, and what is assigned to the names around it."""

import ast
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("core", "geography", "facilities", "etl")
# what starts the site, or refuses to: no module to import beside others
STARTING = ("core/wsgi.py", "core/settings/development.py", "core/settings/production.py")

type Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Place:
    """Where an expression stands: its module, and the functions around it, the innermost last.

    `caller` is the call that the innermost function is looked at for; without, all calls of it are.
    """

    module: "Module"
    functions: tuple[Function, ...] = ()
    caller: "Call | None" = None


@dataclass(frozen=True)
class Call:
    """A call and where it stands."""

    node: ast.Call
    place: Place

    @property
    def name(self) -> str:
        """What is called, without what it belongs to: "write" of `stderr.write`."""
        return called_name(self.node.func)

    def argument(self, name: str, position: int | None = None) -> ast.expr | None:
        """Return what is given for a parameter, by name or at a position; None where nothing is."""
        for keyword in self.node.keywords:
            if keyword.arg == name:
                return keyword.value
        given = self.node.args
        return given[position] if position is not None and position < len(given) else None


@dataclass(frozen=True)
class Module:
    """One file of ours."""

    path: str  # from the root of the project
    tree: ast.Module

    @cached_property
    def loaded(self) -> ModuleType:
        """The module itself; an empty one for what cannot be imported anywhere."""
        if self.path in STARTING:
            return ModuleType(self.path)
        return importlib.import_module(self.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef)}

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """The functions and classes of the file by name."""
        kinds = (ast.FunctionDef, ast.ClassDef)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        return tuple(_calls(self.tree, Place(self)))

    def value_of(self, name: str) -> Any:
        """Return what a dotted name means in this module; None where it means nothing before the code runs."""
        value: Any = self.loaded
        for part in name.split("."):
            value = getattr(value, part, None)
        return value


def called_name(node: ast.expr) -> str:
    """Return the last part of a dotted name, "" of anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _calls(node: ast.AST, place: Place) -> Iterator[Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield Call(child, place)
        inner = place
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = Place(place.module, (*place.functions, child))
        yield from _calls(child, inner)


def assigned(node: ast.Name, place: Place) -> list[ast.expr]:
    """Return what is assigned to a name in the innermost function that assigns it: what surely was, if that is known."""
    for function in reversed(place.functions):
        if isinstance(function, ast.Lambda):
            continue
        found = [(statement, value) for statement, value in _assignments(function) if statement == node.id]
        if found:
            sure = _surely_assigned(function.body, node)
            return [sure] if sure is not None else [value for _, value in found]
    return []


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for child in ast.walk(node):
        match child:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.NamedExpr(target=ast.Name(id=name)):
                yield name, child.value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _surely_assigned(body: Sequence[ast.stmt], node: ast.Name) -> ast.expr | None:
    """Return what a name holds where it stands in these statements, if a statement before it in its own block says so."""
    sure: ast.expr | None = None
    for statement in body:
        if statement.lineno <= node.lineno <= (statement.end_lineno or statement.lineno):
            blocks: list[list[ast.stmt]] = [
                *(getattr(statement, name, []) for name in ("body", "orelse", "finalbody")),
                *(inner.body for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))),
            ]
            inside = (_surely_assigned(block, node) for block in blocks)
            return next((value for value in inside if value is not None), sure)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == node.id:
                sure = value
            case _ if any(name == node.id for name, _ in _assignments(statement)):
                sure = None
    return None


def function_with(name: str, place: Place) -> Function | None:
    """Return the innermost function around a place that has this parameter."""
    for function in reversed(place.functions):
        if name in parameters_of(function):
            return function
    return None


def parameters_of(function: Function) -> set[str]:
    """Return the names of a function's parameters."""
    arguments = function.args
    return {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
