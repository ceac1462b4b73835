"""The front page: what the registry holds, how the last imports went, what wants a person, and whether it gets better."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from core.health import Check, Status, judge
from core.health_checks import look_at_backups
from core.roles import Action, may
from etl.models import DuplicatePair, ImportRun, QualitySnapshot
from etl.quality_reporting import offenders, trend
from etl.registry_facts import rejected_records
from etl.rejects_by_rule import count_by_rule
from etl.rule_words import in_admin
from etl.stages.charts import bar, line_chart, stacked_bars
from etl.stages.quality import TARGETS
from etl.stages.recommend import IN_ADMIN, STALE_CONTACTS, Situation, freshened
from facilities.models import Facility
from facilities.stale_contacts import stale_contacts

FEWEST_JUDGED = 3  # open facilities of a county: a share of fewer says nothing
WORST = 8
MOST_BARS = 10  # runs


@dataclass(frozen=True, slots=True)
class Tile:
    """One number with its meaning, and where its rows are."""

    number: str
    label: str
    url: str
    is_bad: bool = False


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the front page with what it shows; of the registry nothing to whoever may not read it."""
    if not may(request.user, Action.READ):
        return context
    now = timezone.now()
    last = ImportRun.objects.filter(kind=ImportRun.Kind.IMPORT).first()
    measured = QualitySnapshot.objects.select_related("run")
    snapshot = measured.filter(run__undone_by__isnull=True).first()  # what was undone is not what the registry is like
    rows = trend()
    waiting = Situation(
        rejects=count_by_rule(),
        open_pairs=DuplicatePair.objects.filter(decision=DuplicatePair.Decision.TO_REVIEW).count(),
        contacts_to_verify=stale_contacts(now=now).count(),
    )
    return context | {
        "banners": list(_banners(last, now, sees_backups=may(request.user, Action.TRANSFORM))),
        "tiles": list(_tiles(last, snapshot, waiting, now)),
        "metrics": _metrics(snapshot),
        "score_chart": _safe(line_chart([(f"run {row['run']}", row["score"]) for row in rows], title="Quality score")),
        "runs_chart": _safe(
            stacked_bars(
                [(f"run {row['run']}", row["totals"]) for row in rows][-MOST_BARS:], title="What became of the records"
            )
        ),
        "worst_counties": _safe(_counties()),
        "worst_sources": _safe(_sources(snapshot)),
        "next_steps": [_next_step(step) for step in (freshened(snapshot.recommendations, waiting) if snapshot else [])],
        "is_empty": last is None,
        "shows_commands": may(request.user, Action.TRANSFORM),
    }


def _next_step(step: Mapping[str, str]) -> dict[str, str]:
    """Return what to do, and the page for it; where a word is unknown, that of the records which have it."""
    why, command = step["why"], step["command"]
    if command.endswith(" load_geography"):
        return {"why": in_admin(why), "command": "", "url": f"{_list('etl_sourcerecordversion')}?rule={why.split()[0]}"}
    return {"why": in_admin(why), "command": command, "url": _page_of(command)}


def _page_of(command: str) -> str:
    """Return the page on which a person does what a recommended command begins, "" where there is none."""
    if command.startswith(IN_ADMIN):
        return reverse(f"admin:facilities_{_ADMIN_PAGES[command.removeprefix(IN_ADMIN)]}")
    words = command.split()[1:]
    if words[:2] == ["rejects", "list"]:
        return f"{_list('etl_sourcerecordversion')}?state__exact=rejected&rule={words[-1]}"
    pages = {
        "duplicates": "etl_duplicatepair",
        "import_facilities": "etl_importrun",
    }
    return _list(pages[words[0]]) if words[0] in pages else ""


_ADMIN_PAGES: Mapping[str, str] = {
    STALE_CONTACTS: "facility_stale_contacts",
    "Facility types": "facilitytype_changelist",
    "Operational statuses": "operationalstatus_changelist",
    "Service categories": "servicecategory_changelist",
}


def _banners(last: ImportRun | None, now: datetime, *, sees_backups: bool) -> Iterator[str]:
    """Yield what is wrong with the schedules; an empty registry has none yet."""
    if last is None:
        return
    yield from _stale_imports(now)
    if sees_backups and (backups := judge(Check("backups", look_at_backups))).status is not Status.HEALTHY:
        yield f"Backups: {backups.details.replace('`', '')}."


def _stale_imports(now: datetime) -> Iterator[str]:
    good = ImportRun.objects.filter(
        kind=ImportRun.Kind.IMPORT, status=ImportRun.Status.SUCCEEDED, undone_by__isnull=True
    )
    success = good.first()
    if success is None:
        yield "No import has succeeded yet: look at the last run, mend what it names, and import again."
        return
    ended = success.finished_at or success.started_at
    if now - ended > timedelta(hours=settings.ETL_FRESH_HOURS):
        yield (
            f"The last successful import ended {timesince(ended, now)} ago, on {timezone.localtime(ended):%d %B %Y at %H:%M}: "
            "what you see may be out of date. Look whether the scheduled import runs."
        )


def _tiles(
    last: ImportRun | None, snapshot: QualitySnapshot | None, waiting: Situation, now: datetime
) -> Iterator[Tile]:
    active = Facility.objects.filter(is_active=True).count()
    yield Tile(str(active), "facilities in service", f"{_list('facilities_facility')}?is_active__exact=1")
    if last:
        when = (
            "is running"
            if last.status == ImportRun.Status.RUNNING
            else f"{timesince(last.finished_at or now, now)} ago"
        )
        is_bad = last.status in {ImportRun.Status.FAILED, ImportRun.Status.INTERRUPTED, ImportRun.Status.PARTIAL}
        yield Tile(
            f"Run {last.pk}",
            f"{'undone' if last.undone_by_id else last.status}, {when}",
            reverse("admin:etl_importrun_change", args=[last.pk]),
            is_bad,
        )
    rejects = rejected_records().count()
    where = reverse("admin:etl_sourcerecordversion_by_rule")
    yield Tile(str(rejects), "open rejects", where, is_bad=rejects > 0)
    pairs = waiting.open_pairs
    yield Tile(
        str(pairs), "possible duplicates", f"{_list('etl_duplicatepair')}?decision__exact=to_review", is_bad=pairs > 0
    )
    stale = reverse("admin:facilities_facility_stale_contacts")
    yield Tile(str(waiting.contacts_to_verify), "contacts to verify", stale)
    if snapshot and snapshot.score is not None:
        url = reverse("admin:etl_importrun_report", args=[snapshot.run_id])
        yield Tile(f"{snapshot.score:.1f} %", "quality score: see the report", url)


def _metrics(snapshot: QualitySnapshot | None) -> list[dict[str, Any]]:
    """Return the five metrics, each with a bar and the page of its offenders."""
    if snapshot is None:
        return []
    return [
        {
            "name": name,
            "bar": _safe(f'<dl class="bars">{_metric_bar(name, snapshot.metrics[name])}</dl>'),
            "met": snapshot.metrics[name]["met"],
            "url": offenders(name)["url"],
        }
        for name in TARGETS
    ]


def _metric_bar(name: str, metric: Mapping[str, Any]) -> str:
    if metric["percent"] is None:
        return bar(name, 0, "not measurable", target=metric["target"])
    said = f"{metric['percent']:.1f} % of {metric['denominator']}"
    return bar(name, metric["percent"], said, target=metric["target"])


def _counties() -> str:
    """Return the counties whose open facilities in service lack the most of: a constituency, a contact, a position."""
    is_open = Facility.objects.filter(is_active=True, is_confidential=False).order_by()
    lacks = (Q(constituency__isnull=True), Q(contacts__isnull=True), Q(coordinate__isnull=True))
    lacking = [Count("pk", filter=lack, distinct=True) for lack in lacks]
    rows = is_open.values_list("county__county_name").annotate(
        n=Count("pk", distinct=True), lacking=sum(lacking, Value(0))
    )
    shares = [(round(100 - 100 * lacking / (3 * n), 1), name) for name, n, lacking in rows if n >= FEWEST_JUDGED]
    return _bars((name, share) for share, name in sorted(shares)[:WORST])


def _sources(snapshot: QualitySnapshot | None) -> str:
    """Return the sources by the share of their records that no rule faults, the worst first."""
    parts = snapshot.metrics["accuracy"]["by_source"] if snapshot else {}
    known = [(share["percent"], source) for source, share in parts.items() if share["percent"] is not None]
    return _bars((source, percent) for percent, source in sorted(known)[:WORST])


def _bars(rows: Iterator[tuple[str, float]]) -> str:
    bars = "".join(bar(name, percent, f"{percent:.0f} %") for name, percent in rows)
    return f'<dl class="bars">{bars}</dl>' if bars else "<p>Nothing to compare yet.</p>"


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def _safe(html: str) -> SafeString:
    """Return a chart as what it is: etl/stages/charts.py escapes every text that it takes."""
    return mark_safe(html)  # noqa: S308 # nosec B308 B703 # the charts escape their texts; a test feeds them hostile ones
