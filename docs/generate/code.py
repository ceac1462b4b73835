"""All of our code: what its texts come to, with `...` for what varies, and who calls what."""

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

from docs.generate.modules import APPS, ROOT, Call, Function, Module, Place, assigned, function_with, parameters_of

VARIES = "..."
MOST_TEXTS = 200  # of one expression
EVERYWHERE = ("problem",)  # fields that hold a rule's name, whatever made them
DEEPEST = 6  # parameters that are followed to the calls that give them


class Code:
    """All modules of our apps, without migrations."""

    def __init__(self, root: Path = ROOT) -> None:
        paths = sorted(path for app in APPS for path in (root / app).rglob("*.py") if "migrations" not in path.parts)
        self.modules = tuple(
            Module(str(path.relative_to(root)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths
        )
        self.calls = tuple(call for module in self.modules for call in module.calls)
        self._known: dict[tuple[int, int, int], list[str]] = {}

    def each_caller(self, node: ast.expr, place: Place) -> Iterator[Place]:
        """Yield a place once for each call of the innermost function, if an expression is about its parameters; else as it is."""
        function = place.functions[-1] if place.functions else None
        named = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
        if function is None or isinstance(function, ast.Lambda) or not named & parameters_of(function):
            yield place
        else:
            callers: list[Call | None] = [*self.callers_of(function, place)]
            yield from (Place(place.module, place.functions, caller) for caller in callers or [None])

    def callers_of(self, function: Function, place: Place) -> list[Call]:
        """Return the calls of a function by its name; of a private one those in its own module."""
        if isinstance(function, ast.Lambda):
            return []
        if place.caller and place.caller.name == function.name:
            return [place.caller]
        calls = self._calls_by_name.get(function.name, [])
        return [call for call in calls if call.place.module is place.module or not function.name.startswith("_")]

    @cached_property
    def _calls_by_name(self) -> dict[str, list[Call]]:
        found: dict[str, list[Call]] = {}
        for call in self.calls:
            found.setdefault(call.name, []).append(call)
        return found

    def texts_of(self, node: ast.expr | None, place: Place, depth: int = 0) -> list[str]:
        """Return the texts that an expression may come to; what the code does not say stands as `...`."""
        if node is None or depth > DEEPEST:
            return [VARIES]
        known = (id(node), id(place.caller and place.caller.node), depth)
        if known not in self._known:
            found = list(dict.fromkeys(_shortened(text) for text in self._texts(node, place, depth)))
            self._known[known] = found[:MOST_TEXTS] or [VARIES]
        return self._known[known]

    def _texts(self, node: ast.expr, place: Place, depth: int) -> Iterator[str]:  # noqa: C901, PLR0912 - one case for each kind of node
        match node:
            case ast.Constant():
                yield node.value if isinstance(node.value, str) else VARIES
            case ast.JoinedStr():
                parts = [self.texts_of(part, place, depth) for part in node.values]
                yield from ("".join(parts) for parts in product(*parts))
            case ast.FormattedValue(format_spec=None):
                yield from self.texts_of(node.value, place, depth)
            case ast.BinOp(op=ast.Add()):
                both = product(self.texts_of(node.left, place, depth), self.texts_of(node.right, place, depth))
                yield from (left + right for left, right in both)
            case ast.IfExp():
                yield from self.texts_of(node.body, place, depth)
                yield from self.texts_of(node.orelse, place, depth)
            case ast.BoolOp():
                yield from (text for value in node.values for text in self.texts_of(value, place, depth))
            case ast.NamedExpr():
                yield from self.texts_of(node.value, place, depth)
            case ast.Subscript():
                yield from self._members(node.value, place, depth)
            case ast.Call(func=ast.Attribute(attr="get" | "format" | "replace")):
                yield from self._method(node, place, depth)
            case ast.Call(func=ast.Name(id=name)) if name in place.module.functions:
                yield from self._returned(place.module.functions[name], Call(node, place), depth)
            case ast.Name():
                yield from self._named(node, place, depth)
            case ast.Attribute():
                value = place.module.value_of(ast.unparse(node))
                found = [value] if isinstance(value, str) else self._held(node, depth)
                yield from found or [VARIES]
            case _:
                yield VARIES

    def _method(self, node: ast.Call, place: Place, depth: int) -> Iterator[str]:
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr == "get":
            yield from self._members(node.func.value, place, depth)
            yield from (text for default in node.args[1:] for text in self.texts_of(default, place, depth))
            return
        for text in self.texts_of(node.func.value, place, depth):
            if node.func.attr == "format":
                yield VARIES.join(_between_braces(text))
            else:
                old, new = (self.texts_of(argument, place, depth)[0] for argument in node.args[:2])
                yield text.replace(old, new)

    def _members(self, node: ast.expr, place: Place, depth: int) -> Iterator[str]:
        """Yield the texts that stand in a dict or a list: which of them is meant is known when the code runs."""
        if isinstance(node, ast.Name):
            for value in assigned(node, place):
                if isinstance(value, ast.Dict):
                    yield from (text for item in value.values for text in self.texts_of(item, place, depth))
                    return
        value = place.module.value_of(ast.unparse(node))
        texts = [text for text in value.values() if isinstance(text, str)] if isinstance(value, dict) else []
        yield from texts or [VARIES]

    def _returned(self, function: ast.FunctionDef, call: Call, depth: int) -> Iterator[str]:
        """Yield what a function of the same module returns for a call."""
        inside = Place(call.place.module, (function,), caller=call)
        for node in ast.walk(function):
            if isinstance(node, ast.Return):
                yield from self.texts_of(node.value, inside, depth + 1)

    def _held(self, node: ast.Attribute, depth: int) -> list[str]:
        """Return what a field of EVERYWHERE is given wherever something that has it is made."""
        if node.attr not in EVERYWHERE:
            return []
        given = ((call, call.argument(node.attr)) for call in self.calls)
        return [text for call, value in given if value for text in self.texts_of(value, call.place, depth + 1)]

    def _named(self, node: ast.Name, place: Place, depth: int) -> Iterator[str]:
        if values := assigned(node, place):
            yield from (text for value in values for text in self.texts_of(value, place, depth + 1))
        elif (function := function_with(node.id, place)) is not None:
            yield from self._given(node.id, function, place, depth)
        else:
            value = place.module.value_of(node.id)
            yield value if isinstance(value, str) else VARIES

    def _given(self, name: str, function: Function, place: Place, depth: int) -> Iterator[str]:
        """Yield what the callers of a function give for a parameter, and its default."""
        if isinstance(function, ast.Lambda):
            yield VARIES
            return
        names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        keywords = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        defaults: dict[str, ast.expr | None] = {argument.arg: default for argument, default in keywords}
        defaults |= dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        position = names.index(name) - (names[0] in {"self", "cls"}) if name in names else None
        found = False
        for call in self.callers_of(function, place):
            if (given := call.argument(name, position)) is not None:
                found = True
                yield from self.texts_of(given, call.place, depth + 1)
        if (default := defaults.get(name)) is not None and not (found and place.caller):
            found = True
            yield from self.texts_of(default, place, depth + 1)
        if not found:
            yield VARIES


def _between_braces(text: str) -> Sequence[str]:
    """Return the parts of a format string between its fields."""
    parts, inside = [""], False
    for letter in text.replace("{{", "\0").replace("}}", "\1"):
        if letter in "{}":
            inside = letter == "{"
            if inside:
                parts.append("")
        elif not inside:
            parts[-1] += letter
    return [part.replace("\0", "{").replace("\1", "}") for part in parts]


def _shortened(text: str) -> str:
    """Return a text in one line, what varies as one `...` wherever several stand side by side."""
    while VARIES + VARIES in text:
        text = text.replace(VARIES + VARIES, VARIES)
    return text
