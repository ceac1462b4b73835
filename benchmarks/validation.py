"""Validation alone: the compiled gate with jsonschema behind it, beside jsonschema for every record; the same findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from json import dumps, loads
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from benchmarks.delivery import assessed, raw_records
from etl.models import SourceFile
from etl.reference import read_reference
from etl.stages.canonical import to_canonical
from etl.stages.records import Finding
from etl.stages.validate import SCHEMAS_DIR, _finding, find_schema_errors

Instance = tuple[Any, str]  # what is validated, and the schema that it should keep
Find = Callable[[Any, str], tuple[Finding, ...]]


def by_gate(folder: Path, sources: Sequence[str]) -> Callable[[], dict[str, Any]]:
    """Return the validation of a delivery as imports do it."""
    return _validation(folder, sources, lambda value, schema: find_schema_errors(value, schema=schema, rule="schema"))


def by_jsonschema(folder: Path, sources: Sequence[str]) -> Callable[[], dict[str, Any]]:
    """Return the validation of a delivery by jsonschema alone."""

    def find(value: Any, schema: str) -> tuple[Finding, ...]:
        return tuple(_finding(error, rule="schema", pointer="") for error in _validator(schema).iter_errors(value))

    return _validation(folder, sources, find)


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(loads((SCHEMAS_DIR / f"{schema}.json").read_text(encoding="utf-8")))


def _validation(folder: Path, sources: Sequence[str], find: Find) -> Callable[[], dict[str, Any]]:
    instances = list(_instances(folder, sources))

    def timed() -> dict[str, Any]:
        findings = [
            (number, finding) for number, (value, schema) in enumerate(instances) for finding in find(value, schema)
        ]
        said = dumps([(number, asdict(finding)) for number, finding in findings], sort_keys=True)
        return {
            "instances": len(instances),
            "findings": len(findings),
            "findings_sha256": sha256(said.encode()).hexdigest(),
        }

    return timed


def _instances(folder: Path, sources: Sequence[str]) -> Iterator[Instance]:
    """Yield each raw record with its source's schema, and what became of it with the canonical one."""
    reference = read_reference()
    for source, raw in raw_records(folder, sources):
        yield raw.payload, source.schema
        _, assessment = assessed(source, raw, SourceFile(source=source.name), reference)
        if assessment.record and not assessment.is_rejected:
            yield to_canonical(assessment.record), "canonical_facility"
