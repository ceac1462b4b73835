"""What the page of a run shows beside its fields: the statement, whose counts open their records, and what may be done."""

from collections import Counter
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from core.advisory_locks import is_taken
from core.roles import Action, may
from etl.lock import LOCK
from etl.models import ImportRun, QualitySnapshot, SourceRecord, SourceRecordVersion
from etl.quality import percents_of, snapshot_before
from etl.registry_facts import OUTCOMES
from etl.request_page import STEPS, step_of
from etl.stages.page import percent_text
from etl.stages.quality import TARGETS
from etl.stages.report import COLUMNS, effort

State, Status = SourceRecordVersion.State, ImportRun.Status
_MISSING = "missing"


def statement_of(run: ImportRun) -> SafeString | str:
    """Return the table of a run: a source and its counts each; a count leads to its records, where they can be found still.

    A record says what became of it in the run that saw it last: those that a later run read again are listed there.
    """
    if "migration" in run.summary:
        totals = run.summary["migration"]["totals"]
        words = {"read": "read", "landed": "landed", "already": "there already", "listed": "listed"}
        return f"rows of the legacy database: {', '.join(f'{totals[name]:,} {word}' for name, word in words.items())}"
    if "sources" not in run.summary:
        return "nothing was read"
    found = _found(run)
    head = format_html_join("", '<th scope="col">{}</th>', ((name,) for name in ("source", *COLUMNS)))
    body = format_html_join(
        "",
        '<tr{}><th scope="row">{}</th>{}</tr>',
        (
            (
                SafeString(' class="rq-total"') if not source else "",
                source or "total",
                format_html_join(
                    "", "<td>{}</td>", ((_cell(run, found, source, name, row[name]),) for name in COLUMNS)
                ),
            )
            for source, row in [*run.summary["sources"].items(), ("", run.summary["totals"])]
        ),
    )
    table = format_html(
        '<div class="rq-scroll" tabindex="0" role="region" aria-label="By source">'
        '<table class="rq-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        body,
    )
    note = "" if found else format_html('<p class="rq-soft">{}</p>', _READ_AGAIN)
    return format_html('<div class="rq">{}{}</div>', table, note)


_READ_AGAIN = "A later run read these records again: its page leads to them."


def _found(run: ImportRun) -> Counter[tuple[str, str]]:
    """Return how many records stand as this run left them, by source and outcome."""
    seen = SourceRecord.objects.filter(last_seen_run=run).values_list("source", "outcome").annotate(n=Count("pk"))
    return Counter({(source, outcome): count for source, outcome, count in seen.order_by()})


def _cell(run: ImportRun, found: Counter[tuple[str, str]], source: str, column: str, count: int) -> SafeString | str:
    """Return a count, as a link where its records are found still."""
    outcomes = OUTCOMES if column == "read" else (column,)
    is_there = any(found[key] for key in found if key[1] in outcomes and source in ("", key[0]))
    if not count or not (is_there or column == _MISSING):
        return str(count)
    asked: dict[str, Any] = {"source__exact": source} if source else {}
    page = "admin:etl_sourcerecord_changelist"
    if column == _MISSING:
        asked["missing_since__isempty"] = 0
    elif column == "rejected":
        page = "admin:etl_sourcerecordversion_changelist"
        asked = {"run": run.pk}
        asked |= {"source_record__source__exact": source} if source else {}
    else:
        asked |= {"run": run.pk} if column == "read" else {"run": run.pk, "outcome__exact": column}
    what = f"{column} of {source or 'all sources'}: {count} records"
    return format_html('<a href="{}?{}" title="{}">{}</a>', reverse(page), urlencode(asked), what, str(count))


def quality_of(run: ImportRun) -> SafeString | str:
    """Return the metrics that were measured at a run's end, each beside its target and the run before."""
    snapshot = QualitySnapshot.objects.filter(run=run).first()
    if snapshot is None:
        return "not measured"
    earlier, now = percents_of(snapshot_before(run.pk)), percents_of(snapshot)
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>',
        ((name, percent_text(now[name]), _goal(name, now[name]), _change(earlier[name], now[name])) for name in now),
    )
    head = format_html_join(
        "", '<th scope="col">{}</th>', (("metric",), ("now",), ("target",), ("since the run before",))
    )
    return format_html(
        '<div class="rq rq-scroll" tabindex="0" role="region" aria-label="Quality"><table class="rq-table">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        head,
        rows,
    )


def _goal(name: str, value: float | None) -> str:
    target = TARGETS.get(name)
    if target is None:
        return ""
    return f"{target:.0f} %{', missed' if value is not None and value < target else ''}"


def _change(before: float | None, now: float | None) -> str:
    return "" if before is None or now is None else f"{now - before:+.2f}" if now != before else "as before"


def effort_of(run: ImportRun) -> SafeString | str:
    """Return what a run took: its steps and their seconds, workers, memory, warnings."""
    if "seconds" not in run.summary:
        return "not known"
    steps = run.summary.get("seconds_by_step", {})
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{} s</td></tr>',
        ((STEPS.get(step, step).capitalize(), f"{steps[step]:.2f}") for step in sorted(steps, key=_place_of)),
    )
    speed = f"{run.summary['records_per_second']:.0f} records a second" if "records_per_second" in run.summary else ""
    whole = format_html('<tr class="rq-total"><th scope="row">In all</th><td>{}</td></tr>', effort(run.summary))
    warnings = format_html_join(
        "", '<p class="rq-note rq-warn">{}</p>', ((text,) for text in run.summary.get("warnings", []))
    )
    return format_html(
        '<div class="rq"><table class="rq-table rq-narrow">{}{}</table>'
        '<p class="rq-soft">{}</p>{}</div>',
        rows, whole, speed, warnings,
    )  # fmt: skip


def _place_of(step: str) -> int:
    """Return which step of a run this is: the database keeps them in no order."""
    return list(STEPS).index(step) if step in STEPS else len(STEPS)


def duration_of(run: ImportRun) -> str:
    """Return how long a run took, in words."""
    if run.finished_at is None:
        return "still at work" if run.status == Status.RUNNING else ""
    seconds = (run.finished_at - run.started_at).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def buttons_of(run: ImportRun, user: Any) -> dict[str, Any]:
    """Return what the page offers to this person, and what it says of a run that is at work."""
    is_running = run.status == Status.RUNNING
    is_alive = is_running and is_taken(LOCK)
    may_act = may(user, Action.TRANSFORM)
    is_over = not is_running or not is_alive
    kept = (run.undone_by.summary.get("undo", {}).get("kept") if run.undone_by else None) or {}
    is_undoable = run.kind in (ImportRun.Kind.IMPORT, ImportRun.Kind.REPLAY) and (run.undone_by is None or bool(kept))
    rejects = SourceRecordVersion.objects.filter(run=run, state=State.REJECTED).count() if may_act else 0
    is_broken = run.status in (Status.FAILED, Status.INTERRUPTED) or (is_running and not is_alive)
    return {
        "is_running": is_alive,
        "is_dead": is_running and not is_alive,
        "step": step_of(run),
        "report": _report_of(run),
        "rejects": rejects if is_over else 0,
        "can_undo": may_act and is_over and is_undoable,
        "can_import_again": may_act and is_broken and run.kind == ImportRun.Kind.IMPORT and "data_dir" in run.options,
        "undone_by": run.undone_by_id,
    }


def _report_of(run: ImportRun) -> str:
    """Return the address of the run's report; "" where there is none."""
    return reverse("admin:etl_importrun_report", args=[run.pk]) if "totals" in run.summary else ""
