"""What commands print with `--json`: each is run on a registry that was imported from data/raw, and its shape is written down."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from fnmatch import fnmatchcase
from typing import Any

from django.core.management import call_command, get_commands

from etl.models import DuplicatePair, ImportRun, SourceRecordVersion
from facilities.models import Facility

# In this order: one looks at what another wrote. {run} and its like are filled in.
EXAMPLES = (
    "import_facilities --json",
    "rejects list --json",
    "rejects replay {reject} --json",
    "rejects discard {reject} --json",
    "duplicates list --json --state all",
    "duplicates show {pair} --json",
    "duplicates show {code} --json",
    "duplicates separate {pair} --dry-run --json",
    "undo_import {run} --dry-run --json",
    "quality_report --format json",
    "find_facilities --service hiv-pep --county Kisumu --json",
    "breach_report --json",
    "export_facilities --format json",
    "export_facilities --format geojson",
    "rotate_keys --check --json",
    "health_check --json",
)
# where members are named by what is there -> what they are named by; a list's items have the path of the list, and "*" stands
# for dots, too: the longer pattern comes first
NAMED_BY: Mapping[str, str] = {
    "checks": "check", "sources": "source", "reconciliation.sources": "source",
    "*rejects_by_rule": "rule", "*by_rule": "rule", "*by_field": "field", "*by_source": "source",
    "*rows": "table", "kept": "facility code", "seen_by_user": "user",
    "seconds_by_step": "step", "data_profiling.validity.*.*": "severity", "data_profiling.validity.*": "field",
    "data_profiling.validity": "source",
    "data_profiling.uniqueness": "what", "data_profiling.consistency": "source", "data_profiling.completeness": "field",
    "data_profiling.by_source.*.completeness": "field", "data_profiling.distribution": "column",
    "data_profiling.distribution.*": "value", "disputed": "field", "names": "facility code",
}  # fmt: skip
TEXTS = "warnings"  # a list of these, also where the example has none: it depends on how busy the process was before
MOST_IN_LINE = 8  # members


def print_examples() -> dict[str, Any]:
    """Return the shape of what each example prints; those of commands that are not there are left out."""
    known = get_commands()
    return {example: shape_of(_printed(example)) for example in EXAMPLES if example.split()[0] in known}


def _printed(example: str) -> Any:
    stdout = io.StringIO()
    name, *arguments = example.format(**_numbers()).split()
    with redirect_stdout(stdout), suppress(SystemExit):  # with an exit code: what was printed counts
        call_command(name, *arguments, stdout=stdout, stderr=io.StringIO())
    try:
        return json.loads(stdout.getvalue())
    except ValueError as error:
        message = f"{example} printed no JSON"
        raise ValueError(message) from error


def _numbers() -> dict[str, Any]:
    rejected = SourceRecordVersion.objects.filter(state=SourceRecordVersion.State.REJECTED, source_record__isnull=False)
    open_pairs = DuplicatePair.objects.filter(
        decision=DuplicatePair.Decision.TO_REVIEW,
        first__facility__is_confidential=False,
        second__facility__is_confidential=False,
    )
    pair, facility = open_pairs.order_by("pk").first(), Facility.objects.order_by("facility_code").first()
    run, reject = ImportRun.objects.order_by("pk").first(), rejected.order_by("-pk").first()
    assert pair, "data/raw leaves possible duplicates"
    assert facility, "data/raw holds facilities"
    return {
        "run": run and run.pk,
        "reject": reject and reject.source_record_id,
        "pair": pair.pk,
        "code": facility.facility_code,
    }


def shape_of(value: Any, path: str = "") -> Any:
    """Return a value's shape: a word for what is plain, the shape of one that stands for all in a list or under names."""
    if isinstance(value, dict):
        named_by = next((name for pattern, name in NAMED_BY.items() if fnmatchcase(path, pattern)), "")
        inside = {name: shape_of(inner, f"{path}.{name}".lstrip(".")) for name, inner in value.items()}
        return {f"<{named_by}>": _together(list(inside.values()))} if named_by and inside else inside
    if isinstance(value, list):
        examples = value or ([""] if path == TEXTS else [])
        return [_together([shape_of(inner, path) for inner in examples])] if examples else []
    if value is None:
        return "null"
    return {bool: "true or false", str: "text"}.get(type(value), "number")


def _together(shapes: list[Any]) -> Any:
    """Return one shape for several: what some lack, and what is of two kinds, is said."""
    dicts = [shape for shape in shapes if isinstance(shape, dict)]
    if dicts and len(dicts) == len(shapes):
        names = dict.fromkeys(name for shape in dicts for name in shape)
        return {name: _together([shape[name] for shape in dicts if name in shape]) for name in names}
    lists = [shape for shape in shapes if isinstance(shape, list)]
    if lists and len(lists) == len(shapes):
        inner = [one for shape in lists for one in shape]
        return [_together(inner)] if inner else []
    plain = [shape for shape in shapes if isinstance(shape, str)]
    if len(plain) == len(shapes):
        return (
            " or ".join(sorted({word for text in plain for word in text.split(" or ")} - {"false", "true"}))
            or "true or false"
        )
    return next(shape for shape in shapes if not isinstance(shape, str))


def shape_in_lines(shape: Any, indent: str = "") -> Iterator[str]:
    """Yield a shape as JSON would be written, a member on each line."""
    yield from _lines(shape, indent)


def _lines(shape: Any, indent: str) -> list[str]:
    if isinstance(shape, str):
        return [shape]
    if isinstance(shape, list):
        if not shape:
            return ["[]"]
        first, *others = _lines(shape[0], indent)
        return [f"[{first}", *others[:-1], f"{others[-1]}, ...]"] if others else [f"[{first}, ...]"]
    if all(isinstance(inner, str) for inner in shape.values()) and len(shape) <= MOST_IN_LINE:
        return ["{" + ", ".join(f'"{name}": {inner}' for name, inner in shape.items()) + "}"]
    lines = ["{"]
    for number, (name, inner) in enumerate(shape.items()):
        told = _lines(inner, indent + "  ")
        comma = "," if number < len(shape) - 1 else ""
        lines += [f'{indent}  "{name}": {told[0]}', *told[1:]]
        lines[-1] += comma
    return [*lines, f"{indent}}}"]
