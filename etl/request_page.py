"""The page of one request: what is about to happen, place by place, and what a person may do about it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils import timezone

from etl.models import ImportRun, RunRequest
from etl.rule_words import in_admin
from etl.stages.report import COLUMNS, table_rows

Kind, Phase, State = RunRequest.Kind, RunRequest.Phase, RunRequest.State
ITEMS_PER_PAGE = 50
_BROKEN = (State.REFUSED, State.FAILED, State.INTERRUPTED)
WORKER_IS_LATE = timedelta(seconds=10)
# kind of item -> its heading, and its colour in requests.css
KINDS: Mapping[str, tuple[str, str]] = {
    "rejected": ("Rejected", "bad"),
    "changed": ("Changed", "change"),
    "new": ("New", "good"),
    "same": ("Same", "plain"),
    "kept": ("Kept", "warn"),
    "removed": ("Removed", "bad"),
    "restored": ("Restored", "change"),
    "to replay": ("To replay", "change"),
}
STEPS: Mapping[str, str] = {
    "reference": "reading the lists of places and types",
    "soundness": "looking whether the files are sound",
    "pass 1": "reading every record",
    "pass 2": "writing facilities, county by county",
    "deactivate": "taking missing places out of service",
    "reconcile": "balancing the books",
}


def page_of(asked: RunRequest, request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows of a request."""
    is_past = asked.phase == Phase.RUN and asked.state in (State.INTERRUPTED, State.FAILED)  # some of it has happened
    preview = {} if is_past else asked.preview
    counts, items = preview.get("counts", {}), preview.get("items", [])
    chosen = request.GET.get("kind", "")
    shown = [item for item in items if chosen in ("", item["kind"])]
    listed = {kind: sum(item["kind"] == kind for item in items) for kind in counts}
    is_read = not is_past and bool(asked.summary.get("totals", {}).get("read"))
    pages = Paginator(shown, ITEMS_PER_PAGE)
    return {
        "asked": asked,
        "heading": heading_of(asked),
        "confirm_label": _confirm_label(asked),
        "is_busy": asked.state in (State.QUEUED, State.WORKING),
        "is_late": _is_late(asked),
        "watched": watched_state(asked),
        "can_confirm": asked.state == State.READY,
        "can_try_again": asked.state in _BROKEN or (asked.state == State.READY and asked.kind != Kind.REPLAY),
        "can_cancel": asked.state in (*_BROKEN, State.READY, State.QUEUED),
        "newer_run": _newer_run(asked),
        "step": step_of(asked.run),
        "columns": COLUMNS,
        "rows": list(table_rows(asked.summary)) if is_read else [],
        "refusals": _refusals(asked),
        "error": in_admin(asked.error),
        "warnings": [in_admin(warning) for warning in asked.summary.get("warnings", [])],
        "chips": [
            {"kind": kind, "label": KINDS[kind][0], "tone": KINDS[kind][1], "count": count, "listed": listed[kind]}
            for kind, count in sorted(counts.items(), key=lambda both: list(KINDS).index(both[0]))
            if is_read or asked.kind != Kind.IMPORT
        ],
        "chosen": chosen,
        "page": pages.get_page(request.GET.get("page")),
        "left_out": sum(count - listed[kind] for kind, count in counts.items() if kind not in {"same", "to replay"}),
    }


def heading_of(asked: RunRequest) -> str:
    """Return what was asked for, in words."""
    if asked.kind == Kind.UNDO:
        return f"Undo run {asked.of_run_id}"
    if asked.kind == Kind.REPLAY:
        return f"Replay the rejects of run {asked.of_run_id}"
    what = ", ".join(asked.sources) or "all sources"
    return f"Import {what}"


def watched_state(asked: RunRequest) -> str:
    """Return what a page that waits looks for a change of."""
    return f"{asked.phase} {asked.state}{' late' if _is_late(asked) else ''}"


def step_of(run: ImportRun | None) -> str:
    """Return what a run is doing, in words; "" where nothing is known."""
    return STEPS.get(run.step, run.step) if run and run.status == ImportRun.Status.RUNNING else ""


def _confirm_label(asked: RunRequest) -> str:
    if asked.kind == Kind.UNDO:
        return f"Undo run {asked.of_run_id}"
    return "Replay" if asked.kind == Kind.REPLAY else "Import exactly this"


def _is_late(asked: RunRequest) -> bool:
    """Return whether nobody has taken a queued request up for so long that no worker seems to run."""
    return asked.state == State.QUEUED and timezone.now() - asked.state_since > WORKER_IS_LATE


def _newer_run(asked: RunRequest) -> ImportRun | None:
    """Return a run that ended after the preview was made: what the preview says may not be all true any more."""
    if asked.state != State.READY or asked.previewed_at is None:
        return None
    return ImportRun.objects.filter(finished_at__gt=asked.previewed_at).only("run_id").first()


def _refusals(asked: RunRequest) -> list[str]:
    """Return why single sources are refused; where all are, it is the request's own error."""
    errors = [row["error"] for row in asked.summary.get("sources", {}).values() if row.get("error")]
    return [] if asked.error else [in_admin(error) for error in dict.fromkeys(errors)]
