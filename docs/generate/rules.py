"""docs/rules.md: every rule that may reject a record, warn of one, put a value right, or ask about the registry."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from docs.generate.code import VARIES, Code
from docs.generate.markdown import code_span
from docs.generate.modules import Call, Place, assigned
from etl.batch import CLASH
from etl.rule_words import RULE_WORDS
from etl.stages.quality import NO_FAULT, metric_of
from geography.gazetteer import Level

PATH = "rules.md"
OF_THE_REGISTRY = "anomaly"
_ORDER = ("reject", "warning", "repair", OF_THE_REGISTRY)
_HEADINGS = {
    "reject": "Rejects: the record is not loaded",
    "warning": "Warnings: loaded, but a value was left out or is in doubt",
    "repair": "Repairs: loaded, and a value was put right",
    OF_THE_REGISTRY: "Anomalies: about the registry as a whole",
}
_INTRODUCTION = """\
What the pipeline says of a record, or of the registry, stands under a rule's name: in `rejects list`, in reports, on
a record's page, in `rejects_by_rule` of `import_facilities --json`. `rejects list --rule NAME` lists the records that
a rule keeps out. Below, `...` stands for what varies. A rule of more than one severity stands under the gravest.
[quality.md](quality.md) says what each metric counts.
"""
_MESSAGE_AT = {"Finding": 3, "Anomaly": 2}  # the place of the message among what makes one


@dataclass(slots=True)
class Rule:
    """A rule: its severities, what it says, what it advises, and the files that it stands in."""

    name: str
    severities: set[str] = field(default_factory=set)
    messages: dict[str, None] = field(default_factory=dict)
    hints: dict[str, None] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)

    @property
    def gravest(self) -> str:
        return next(severity for severity in _ORDER if severity in self.severities)


def write_page(code: Code) -> str:
    """Return the page."""
    rules = find_rules(code)
    parts = [f"# Rules\n\n{_INTRODUCTION}"]
    for severity in _ORDER:
        named = sorted(name for name, rule in rules.items() if rule.gravest == severity)
        parts += [f"\n## {_HEADINGS[severity]}\n", *(_describe(rules[name]) for name in named)]
    return "\n".join(parts)


def find_rules(code: Code) -> dict[str, Rule]:
    """Return every rule by its name."""
    rules: dict[str, Rule] = {}
    for call in code.calls:
        if call.name in _MESSAGE_AT:
            for place in code.each_caller(call.argument("rule", 0) or call.node, call.place):
                _note(rules, Call(call.node, place), code)
    _note_clash(rules, code)
    return rules


def _note(rules: dict[str, Rule], call: Call, code: Code) -> None:
    at = _MESSAGE_AT[call.name]
    stated_names = [name for name in _texts(call, code, "rule", 0) if _says_something(name)]
    names = [name.replace(VARIES, level) for name in stated_names for level in (Level if VARIES in name else ("",))]
    by_name = _paired(call, code)
    messages = [text for text in _texts(call, code, "message", at) if _says_something(text)]
    stated = _texts(call, code, "severity", 1) if call.name == "Finding" else [OF_THE_REGISTRY]
    for number, name in enumerate(list(by_name) or names):
        rule = rules.setdefault(name, Rule(name))
        rule.severities.add(_severity(name, stated))
        rule.paths.add(call.place.module.path)
        rule.hints |= dict.fromkeys(
            text for text in _texts(call, code, "hint", 6 if at == 3 else at + 1) if _says_something(text)
        )
        said = [by_name[name]] if by_name else messages
        if not by_name and len(names) == len(messages) > 1:  # "a" if x else "b" of both
            said = [messages[number]]
        rule.messages |= dict.fromkeys(said)


def _paired(call: Call, code: Code) -> dict[str, str]:
    """Return the messages by rule of a finding whose message looks its words up by its rule; mostly empty."""
    message = call.argument("message", _MESSAGE_AT[call.name])
    for node in ast.walk(message) if message else ():
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            words = next(iter(assigned(node.value, call.place)), None)
            if isinstance(words, ast.Dict):
                keys = [str(ast.literal_eval(key)) for key in words.keys if key]
                return dict(zip(keys, _texts(call, code, "message", 3), strict=True))
    return {}


def _severity(name: str, stated: Iterable[str]) -> str:
    """Return a rule's severity; where the code decides by what it met, which of both it is for this rule."""
    both = {str(text) for text in stated}
    if (
        len(both) > 1
    ):  # an unknown county rejects, an unknown ward warns; exchanged degrees are put right, others left out
        return {"county-unknown": "reject", "coordinates-swapped": "repair"}.get(name, "warning")
    return both.pop()


def _note_clash(rules: dict[str, Rule], code: Code) -> None:
    """Add the finding that is written as plain members of JSON."""
    module = next(module for module in code.modules if module.path == "etl/batch.py")
    function = module.functions["clash_finding"]
    members = next(node for node in ast.walk(function) if isinstance(node, ast.Dict))
    told = {
        ast.literal_eval(key): code.texts_of(value, Place(module, (function,)))
        for key, value in zip(members.keys, members.values, strict=True)
        if key
    }
    rules[CLASH[0]["rule"]] = Rule(
        CLASH[0]["rule"], {"warning"}, dict.fromkeys(told["message"]), dict.fromkeys(told["hint"]), {module.path}
    )


def _texts(call: Call, code: Code, name: str, position: int) -> list[str]:
    return code.texts_of(call.argument(name, position), call.place)


def _says_something(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def _describe(rule: Rule) -> str:
    words = RULE_WORDS.get(rule.name)
    lines = [f"### {rule.name}\n"]
    if words:
        lines.append(f"**{words.title}.** {words.means} {words.to_do}\n")
    lines += [f"- says: {code_span(message)}" for message in _without_repeats(list(rule.messages))]
    lines += [f"- advises: {hint}" for hint in rule.hints]
    lines.append(f"- {_lowers(rule)}; in {', '.join(code_span(path) for path in sorted(rule.paths))}\n")
    return "\n".join(lines)


def _without_repeats(messages: list[str]) -> list[str]:
    """Return messages without those that another one says with `...` at its beginning."""
    ends = [message.removeprefix(VARIES) for message in messages if message.startswith(VARIES)]
    return [message for message in messages if message.startswith(VARIES) or not message.endswith(tuple(ends))]


def _lowers(rule: Rule) -> str:
    if rule.gravest == "reject":
        return "lowers accuracy"
    if rule.gravest == "repair" or rule.name in NO_FAULT:
        return "lowers no metric"
    return f"belongs to {metric_of(rule.name)}"
