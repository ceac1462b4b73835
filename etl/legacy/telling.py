"""A migration in words: what a person at the terminal, or a report, is told of it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.installation import MANAGE
from core.whole_files import replacing
from etl.console import Stream
from etl.errors import OutputError
from etl.stages.gates import RejectLimit

SHOWN = 20


def tell(summary: Mapping[str, Any], stream: Stream) -> None:
    """Write the summary, with the first rows that were listed or noted."""
    for line in lines(summary, most=SHOWN):
        stream.write(line)


def lines(summary: Mapping[str, Any], *, most: int | None = None) -> Iterator[str]:
    """Yield the lines of the summary; the last one names the next command."""
    for table, row in summary["tables"].items():
        there = f"{row['already']:,} there already, {row['listed']:,} listed"
        yield f"{table}: {row['read']:,} read, {row['landed']:,} landed, {there}"
    yield from _remarks("Listed, not landed", summary["listed"], most)
    yield from _remarks("Landed, but not as it was", summary["notes"], most)
    if not_kept := summary["keys_not_kept"]:
        told = ", ".join(f"{table} {count:,}" for table, count in not_kept.items())
        yield f"Keys not kept, since other rows have them here: {told}; what points to these rows follows them"
    for name, what in (("other_tables", "rows"), ("other_columns", "values")):
        if summary[name]:
            told = ", ".join(f"{table} ({count:,})" for table, count in summary[name].items())
            yield f"Not part of the registry, with their {what}: {told}"
    yield from summary["remarks"]
    yield _last_line(summary)


def _remarks(title: str, remarks: list[Mapping[str, str]], most: int | None) -> Iterator[str]:
    if remarks:
        yield f"{title}:"
    for remark in remarks[:most]:
        yield f"  {remark['table']} {remark['key']}: {remark['reason']}"
    if most is not None and len(remarks) > most:
        yield f"  and {len(remarks) - most:,} more: --report PATH writes all"


def _last_line(summary: Mapping[str, Any]) -> str:
    totals = summary["totals"]
    done = totals["landed"] + totals["already"] + totals["listed"]
    told = (
        f"{done:,} of {totals['read']:,} rows accounted for: {totals['landed']:,} landed,"
        f" {totals['already']:,} there already, {totals['listed']:,} listed."
    )
    if summary["dry_run"]:
        return f"Dry run; nothing was written. {told} Next: the same command without --dry-run"
    return f"{told} Next: {MANAGE} import_facilities"


def beyond(summary: Mapping[str, Any], limit: RejectLimit | None) -> str:
    """Return why a migration still fails that stands, "" where it does not."""
    totals, facilities = summary["totals"], summary["tables"].get("facilities", {})
    if facilities.get("read") and not facilities["landed"] + facilities["already"]:
        return f"none of {facilities['read']:,} facilities landed; the listed rows say why"
    if limit and limit.is_exceeded(rejected=totals["listed"], read=totals["read"]):
        return f"{totals['listed']:,} of {totals['read']:,} rows were listed, beyond --max-rejects"
    return ""


def is_of(path: Path, legacy: Path) -> bool:
    """Return whether a path is the legacy file, or one that SQLite keeps beside it: nothing may be written there."""
    beside = (legacy.with_name(f"{legacy.name}{ending}") for ending in ("", "-wal", "-shm", "-journal"))
    return any(path.exists() and one.exists() and path.samefile(one) for one in beside)


def write_migration_report(summary: Mapping[str, Any], path: Path) -> None:
    """Write all of the summary, as JSON or text by the ending; only its owner can read it. Raises OutputError."""
    text = json.dumps(summary, indent=1) if path.suffix == ".json" else "\n".join(lines(summary))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, mode=0o600) as file:
            file.write(f"{text}\n")
    except OSError as error:
        why = f"({error.strerror}); what landed stands: run it again with another --report"
        message = f"the report cannot be written to {path} {why}"
        raise OutputError(message) from error
