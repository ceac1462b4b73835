"""A run's summary as text, JSON and one self-contained HTML page."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from etl.stages.charts import bar
from etl.stages.page import page, percent_text, section, table
from etl.stages.quality_page import sections

COLUMNS = ("read", "created", "updated", "unchanged", "merged", "rejected", "missing")


MOST_MISSING_SHOWN = 5


def to_json(summary: Mapping[str, Any]) -> str:
    """Return the summary as one JSON object."""
    return json.dumps(summary, indent=1)


def table_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the summary table: a source and its counts each, the totals last."""
    for source, row in summary["sources"].items():
        yield (source, *(str(row[column]) for column in COLUMNS))
    yield ("total", *(str(summary["totals"][column]) for column in COLUMNS))


def to_table(summary: Mapping[str, Any]) -> str:
    """Return the summary table as plain text."""
    rows = [("source", *COLUMNS), *table_rows(summary)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def to_text(summary: Mapping[str, Any]) -> str:
    """Return the whole summary as plain text: the table, what was refused, what needs a person."""
    return "\n".join([to_table(summary), *refusals(summary), *remarks(summary)])


def refusals(summary: Mapping[str, Any]) -> list[str]:
    """Return why sources were refused, each reason once."""
    return list(dict.fromkeys(row["error"] for row in summary["sources"].values() if row.get("error")))


LOOK_AT_PAIRS = ": see `duplicates list`"
LOOK_AT_QUALITY = "; `quality_report` says why"


def remarks(summary: Mapping[str, Any]) -> list[str]:
    """Return what stands under the table: warnings, rejects, duplicates, quality; a line each."""
    warnings = [f"warning: {text}" for text in summary["warnings"]]
    rejects = ", ".join(f"{rule} {count}" for rule, count in summary["rejects_by_rule"].items())
    quality = ", ".join(f"{name} {percent_text(value)}" for name, value in summary["quality"].items())
    pairs = summary["duplicates"]
    return [
        *warnings,
        *([f"rejected: {rejects}"] if rejects else []),
        *_missing_lines(summary),
        *(f"worth a look: {finding['message']}" for finding in summary["findings"][:5]),
        f"duplicates: {pairs['merged']} merged, {pairs['to_review']} to review{LOOK_AT_PAIRS if pairs['to_review'] else ''}",
        f"quality: {quality}",
        f"{summary['totals']['read']} records in {effort(summary)}",
    ]


def effort(summary: Mapping[str, Any]) -> str:
    """Return what a run took: seconds, workers and memory; an older summary knows less."""
    workers = summary.get("workers", {})
    count, together = workers.get("count", 0), workers.get("sum_peak_rss_mb") or summary.get("peak_rss_mb") or 0
    by = f", {count} worker{'s' if count > 1 else ''}" if count else ""
    return f"{summary['seconds']:.1f} s{by}{f', {together:.0f} MB' if together else ''}"


def _missing_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return the records that their source lists no more, the first few by name, and what became of their facilities."""
    records = summary["missing"]
    count = summary["totals"]["missing"]
    shown = "; ".join(_missing_record(record) for record in records[:MOST_MISSING_SHOWN])
    more = f" and {count - MOST_MISSING_SHOWN} more" if count > MOST_MISSING_SHOWN else ""
    lines = [f"missing: {count} records that their source lists no more: {shown}{more}"] if count else []
    if summary["pins_kept"]:
        lines.append(
            f"kept: what a person set on the facilities of {summary['pins_kept']} changed records (finding pin-kept)"
        )
    return [*lines, *([f"deactivated: {summary['deactivated']} facilities"] if summary["deactivated"] else [])]


def _missing_record(record: Mapping[str, Any]) -> str:
    code = record["facility_code"]
    return f"{record['file']} {record['pointer']}{f' ({code})' if code else ''}, since run {record['since_run']}"


def to_html(summary: Mapping[str, Any], quality: Mapping[str, Any] | None = None, *, back: str = "") -> str:
    """Return one HTML page without any outside asset, readable on a phone and printable; with what was measured, if it was.

    `back`: the address that a browser goes back to.
    """
    run = "Dry run" if summary["dry_run"] else f"Import run {summary['run']}"
    subtitle = f"{summary['status']} · {summary['totals']['read']} records in {effort(summary)}"
    measured = sections(quality) if quality else [_quality(summary), _findings(summary)]
    statement = (_errors(summary), _tiles(summary), _by_source(summary), _rejects(summary), _missing(summary))
    leave = f'<p class="leave"><a href="{escape(back)}">Back to the run</a></p>' if back else ""
    return page(run, subtitle, [leave, *statement, *measured])


def _errors(summary: Mapping[str, Any]) -> str:
    texts = [*refusals(summary), *summary["warnings"]]
    return "".join(f'<p class="error">{escape(text)}</p>' for text in texts)


def _tiles(summary: Mapping[str, Any]) -> str:
    totals = summary["totals"]
    tiles = [(name, totals[name], name == "rejected" and totals[name]) for name in COLUMNS[1:6]]
    tiles.append(("to review", summary["duplicates"]["to_review"], False))
    cells = (f'<div class="tile{" bad" if bad else ""}"><b>{count}</b>{name}</div>' for name, count, bad in tiles)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _by_source(summary: Mapping[str, Any]) -> str:
    return section("By source", table(("source", *COLUMNS), table_rows(summary), has_total=True))


def _rejects(summary: Mapping[str, Any]) -> str:
    items = summary["rejects_by_rule"]
    most = max(items.values(), default=1)
    bars = "".join(bar(rule, 100 * count / most, str(count)) for rule, count in items.items())
    rows = "".join(
        f"<li><code>{escape(r['file'])} {escape(r['pointer'])}</code><br>{escape(r['message'])}; {escape(r['hint'])}</li>"
        for r in summary["rejects"]
    )
    return section(
        "Rejected, by rule", f'<dl class="bars">{bars}</dl><ul>{rows}</ul>' if items else "<p>Nothing was rejected.</p>"
    )


def _missing(summary: Mapping[str, Any]) -> str:
    rows = "".join(f"<li>{escape(_missing_record(record))}</li>" for record in summary["missing"])
    return section("Missing from their source", f"<ul>{rows}</ul>") if rows else ""


def _quality(summary: Mapping[str, Any]) -> str:
    bars = "".join(bar(name, value or 0, percent_text(value)) for name, value in summary["quality"].items())
    return section("Quality of the registry", f'<dl class="bars">{bars}</dl>')


def _findings(summary: Mapping[str, Any]) -> str:
    items = "".join(
        f"<li>{escape(finding['message'])} — {escape(finding['hint'])}</li>" for finding in summary["findings"]
    )
    return section("Worth a look", f"<ul>{items}</ul>") if items else ""
