"""JSON Schema findings: a compiled gate passes the sound records, jsonschema explains the others."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError

from etl.stages.records import Finding, Severity

SCHEMAS_DIR = Path(__file__).resolve().parent.parent / "schemas"


def find_schema_errors(value: Any, *, schema: str, rule: str, pointer: str = "") -> tuple[Finding, ...]:
    """Return what breaks a schema of etl/schemas; empty where the value keeps it.

    The messages name the member and the rule that it breaks, never the value.
    """
    gate, explainer = _validators(schema)
    if gate.is_valid(value):
        return ()
    return tuple(_finding(error, rule=rule, pointer=pointer) for error in explainer.iter_errors(value))


@cache
def _validators(schema: str) -> tuple[jsonschema_rs.Draft202012Validator, Draft202012Validator]:
    text = (SCHEMAS_DIR / f"{schema}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    Draft202012Validator.check_schema(document)
    # "end of text" is \\Z in Python's patterns and \\z in the gate's
    return jsonschema_rs.Draft202012Validator(json.loads(text.replace(r"\\Z", r"\\z"))), Draft202012Validator(document)


def _finding(error: ValidationError, *, rule: str, pointer: str) -> Finding:
    path = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in error.absolute_path)
    return Finding(
        rule=rule,
        severity=Severity.REJECT,
        field=path.lstrip("/") or "record",
        message=f"{path or 'the record'} {_complaint(error)}",
        pointer=f"{pointer}{path}",
        hint="mend the record at its source",
    )


def _complaint(error: ValidationError) -> str:
    """Return the broken rule in words, without the value."""
    expected: Any = error.validator_value
    value: Any = error.instance
    match error.validator:
        case "type":
            wanted = " or ".join(expected) if isinstance(expected, list) else str(expected)
            return f"is {_json_type(value)}, expected {wanted}"
        case "maxLength":
            return f"is {len(value)} characters long, at most {expected} are kept"
        case "minLength":
            return "is empty"
        case "maxItems":
            return f"has {len(value)} items, at most {expected} are kept"
        case "required":
            return f"lacks one of {', '.join(expected)}"
        case _:
            return f"breaks the schema's rule '{error.validator}'"


def _json_type(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
