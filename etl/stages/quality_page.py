"""A quality report (the object of `quality_report --format json`) as text, and as the sections of an HTML page."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from etl.stages.charts import bar, line_chart, stacked_bars
from etl.stages.page import page, percent_text, section, table

METRIC_MEANS: Mapping[str, str] = {
    "completeness": "required values that facilities in service state: name, code, place down to the constituency",
    "accuracy": "records that no rule faults; rejects count as faulted",
    "consistency": "loaded records whose place, position and sources agree with one another",
    "timeliness": "sources that were read within the schedule",
    "uniqueness": "facilities in service that no open question about a duplicate touches",
}
MOST_COUNTIES, MOST_PATHS = 20, 60
Report = Mapping[str, Any]


def to_text(report: Report) -> str:
    """Return the report as plain text for a terminal."""
    return "\n".join(_text_lines(report))


def _text_lines(report: Report) -> Iterator[str]:
    yield f"Quality at run {report['run']}, {report['timestamp']}: {report['total_records']} facilities in service"
    yield f"score {percent_text(report['quality_score'])}{_since(report)}"
    for name, metric in report["quality_metrics"].items():
        mark = "ok  " if metric["met"] else "LOW "
        share = f"{metric['numerator']} of {metric['denominator']}"
        goal = f"target {metric['target']:.0f} %"
        yield f"  {mark}{name:<13}{percent_text(metric['percent']):>15}  {goal}  {share}: {METRIC_MEANS[name]}"
    verified = report["quality_metrics"]["timeliness"]["contact_verification"]
    yield f"contacts verified lately: {verified['numerator']} of {verified['denominator']}"
    yield "found by rule:" if report["rules"] else "found by rule: nothing"
    for row in report["rules"]:
        yield f"  {row['records']:>6}  {row['rule']} ({row['severity']}, {row['metric']})"
    for anomaly in report["anomaly_detection"]["found"][:10]:
        yield f"worth a look: {anomaly['message']}; {anomaly['hint']}"
    for move in report["schema_drift"]:
        yield f"shape moved: {move['source']}: {move['message']}"
    yield from _statement_lines(report["reconciliation"])
    for number, step in enumerate(report["recommendations"], start=1):
        yield f"{number}. {step['why']}\n   {step['command']}"


def _statement_lines(statement: Report) -> Iterator[str]:
    rows = statement["rows"]
    if rows:
        grown = (
            f"{name} {row['before']} -> {row['after']}" for name, row in rows.items() if row["before"] != row["after"]
        )
        yield f"rows: {', '.join(grown) or 'as many as before'}"


def to_html(report: Report) -> str:
    """Return the report as one self-contained page."""
    subtitle = f"{report['total_records']} facilities in service · measured {report['timestamp']}"
    return page(f"Quality of the registry at run {report['run']}", subtitle, sections(report))


def sections(report: Report) -> list[str]:
    """Return the sections of a page: the score first, then what to do, then what it rests on."""
    return [
        _score(report),
        _next_steps(report),
        _metrics(report),
        _trend(report),
        _rules(report),
        _anomalies(report),
        _drift(report),
        _completeness(report),
        _distribution(report),
        _uniqueness(report),
        _rows(report["reconciliation"]),
        _shapes(report),
    ]


def _score(report: Report) -> str:
    tiles = [("score", percent_text(report["quality_score"]), False)]
    tiles += [(name, percent_text(m["percent"]), not m["met"]) for name, m in report["quality_metrics"].items()]
    cells = "".join(
        f'<div class="tile{" bad" if is_bad else ""}"><b>{escape(said)}</b>{escape(name)}'
        f"{' (below its target)' if is_bad else ''}</div>"
        for name, said, is_bad in tiles
    )
    change = _since(report)
    return f'<div class="tiles">{cells}</div>' + (f"<p>Score{escape(change)}.</p>" if change else "")


def _next_steps(report: Report) -> str:
    steps = "".join(
        f"<li>{escape(step['why'])}<br><code>{escape(step['command'])}</code></li>"
        for step in report["recommendations"]
    )
    return section("What to do next", f'<ol class="next">{steps}</ol>' if steps else "<p>Nothing waits for you.</p>")


def _metrics(report: Report) -> str:
    parts = []
    for name, metric in report["quality_metrics"].items():
        of = metric.get("by_source") or metric.get("by_field") or {}
        rows = "".join(
            bar(
                part,
                share["percent"] or 0,
                f"{percent_text(share['percent'])} · {share['numerator']} of {share['denominator']}",
            )
            for part, share in sorted(of.items())
        )
        whole = f"{percent_text(metric['percent'])} · {metric['numerator']} of {metric['denominator']}"
        verdict = (
            '<span class="good">meets its target</span>'
            if metric["met"]
            else '<span class="bad">below its target</span>'
        )
        parts.append(
            f"<h3>{escape(name)}: {escape(whole)}, {verdict} ({metric['target']:.0f} %, weight {metric['weight']})</h3>"
            f"<p>{escape(METRIC_MEANS[name])}. Offenders: <code>{escape(metric['offenders']['command'])}</code></p>"
            f'<dl class="bars">{rows}</dl>{_beside(metric)}'
        )
    return section("The five metrics", "".join(parts))


def _beside(metric: Report) -> str:
    """Return what stands beside timeliness: how long the run took, and how many contacts somebody verified lately."""
    verified = metric.get("contact_verification")
    if verified is None:
        return ""
    share = f"{verified['numerator']} of {verified['denominator']} contacts of open places were verified lately"
    return f"<p>{escape(share)}. The run took {metric['latency_seconds']:.1f} s from first byte to last row.</p>"


def _trend(report: Report) -> str:
    points = [(f"run {row['run']}", row["score"]) for row in report["trend"]]
    runs = [(f"run {row['run']}", row["totals"]) for row in report["trend"] if row["totals"]][-10:]
    body = line_chart(points, title="Quality score by run", target=None)
    return section("Does it get better?", body + stacked_bars(runs, title="What became of the records of each run"))


def _rules(report: Report) -> str:
    head = ("rule", "metric", "severity", "records", "by source")
    rows = [
        (
            row["rule"],
            row["metric"],
            row["severity"],
            row["records"],
            ", ".join(f"{s} {n}" for s, n in row["by_source"].items()),
        )
        for row in report["rules"]
    ]
    return section("What was found, by rule", table(head, rows) if rows else "<p>Nothing was found.</p>")


def _anomalies(report: Report) -> str:
    found = report["anomaly_detection"]
    items = "".join(
        f"<li>{escape(one['message'])} — {escape(one['hint'])}"
        f"{f'<br><code>{escape(", ".join(one["facilities"]))}</code>' if one['facilities'] else ''}</li>"
        for one in found["found"]
    )
    more = sum(found["by_rule"].values()) - len(found["found"])
    tail = f"<p>and {more} more.</p>" if more > 0 else ""
    return section("Worth a look", f"<ul>{items}</ul>{tail}" if items else "<p>Nothing unusual.</p>")


def _drift(report: Report) -> str:
    rows = [(move["source"], move["kind"], move["message"]) for move in report["schema_drift"]]
    body = table(("source", "what", "how"), rows) if rows else "<p>No source's shape moved since its last good run.</p>"
    return section("The shape of the sources", body)


def _completeness(report: Report) -> str:
    profile = report["data_profiling"]
    if not profile:
        return ""
    bars = "".join(
        bar(
            name.replace("_", " "),
            share["percent"] or 0,
            f"{percent_text(share['percent'])} · {share['numerator']} of {share['denominator']}",
        )
        for name, share in _fields(profile)
    )
    sources = sorted(profile["by_source"])
    rows = [
        (
            name.replace("_", " "),
            *(_short(profile["by_source"][source]["completeness"][name]["percent"]) for source in sources),
        )
        for name, _ in _fields(profile)
    ]
    by_source = table(("field", *sources), rows)
    note = "<p>What is protected of confidential places is left out: it is not opened to be counted.</p>"
    return section("What facilities state", f'<dl class="bars">{bars}</dl>{note}<h3>By source, percent</h3>{by_source}')


def _fields(profile: Report) -> list[tuple[str, Any]]:
    """Return the shares of facilities that state each field, the fullest first; JSON in a database keeps no order."""
    return sorted(profile["completeness"].items(), key=lambda item: (-(item[1]["percent"] or 0), item[0]))


def _distribution(report: Report) -> str:
    found = report["data_profiling"].get("distribution", {}) if report["data_profiling"] else {}
    parts = [_counted(name.replace("_", " "), counts) for name, counts in found.items() if counts]
    return section("How they are spread", "".join(parts)) if parts else ""


def _counted(title: str, counts: Mapping[str, int]) -> str:
    most = max(counts.values())
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_COUNTIES]
    bars = "".join(bar(name, 100 * count / most, str(count)) for name, count in shown)
    rest = len(counts) - len(shown)
    return f'<h3>{escape(title)}</h3><dl class="bars">{bars}</dl>' + (f"<p>and {rest} more.</p>" if rest > 0 else "")


def _uniqueness(report: Report) -> str:
    found = report["data_profiling"].get("uniqueness", {}) if report["data_profiling"] else {}
    rows = [
        (name.replace("_", " "), share["denominator"], share["numerator"], percent_text(share["percent"]))
        for name, share in found.items()
    ]
    return section("Distinct values", table(("what", "stated", "distinct", "share"), rows)) if rows else ""


def _rows(statement: Report) -> str:
    rows = [
        (name, row["before"], row["after"], f"{row['after'] - row['before']:+d}")
        for name, row in statement["rows"].items()
    ]
    return section("Rows of the database", table(("table", "before", "after", "change"), rows)) if rows else ""


def _shapes(report: Report) -> str:
    shapes = report["data_profiling"].get("schema", {}) if report["data_profiling"] else {}
    parts = [
        f"<details><summary>{escape(source)}: {len(paths)} paths</summary>{_paths(paths[:MOST_PATHS])}</details>"
        for source, paths in shapes.items()
    ]
    return section("Inferred schema of each source", "".join(parts)) if parts else ""


def _paths(paths: Sequence[Mapping[str, Any]]) -> str:
    return table(
        ("path", "records", "blank", "types"),
        [(path["path"] or "(the record)", path["records"], path["nulls"], ", ".join(path["types"])) for path in paths],
    )


def _since(report: Report) -> str:
    """Return how the score moved since the run before, in words; "" where there is nothing to compare."""
    before = report["compared_with"]
    if not before or before["score"] is None or report["quality_score"] is None:
        return ""
    change = report["quality_score"] - before["score"]
    way = "unchanged" if abs(change) < 0.005 else f"{'up' if change > 0 else 'down'} {abs(change):.2f} points"
    return f", {way} since run {before['run']} ({percent_text(before['score'])})"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
