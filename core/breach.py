"""Who saw, set or exported what, from the access log: what a report of a breach to the Data Commissioner has to say."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from core.models import AccessLog

Result = AccessLog.Result
LOOKS = ("reveal", "see", "edit", "export", "query")


def find_looks(*, since: datetime | None = None, until: datetime | None = None, user: str = "") -> QuerySet[AccessLog]:
    """Return what the access log has of personal and protected values in a time, of one user or all, oldest first."""
    chosen = Q(action__in=LOOKS)
    chosen &= Q(at__gte=since) if since else Q()
    chosen &= Q(at__lt=until) if until else Q()
    chosen &= Q(user__username=user) if user else Q()
    return AccessLog.objects.filter(chosen).select_related("user").order_by("access_id")


def as_json(looks: QuerySet[AccessLog]) -> dict[str, Any]:
    """Return the report as a JSON object: counts by user, every value that was seen, and every attempt that was refused."""
    rows: list[dict[str, Any]] = [
        {
            "at": look.at.isoformat(),
            "user": str(look.user or "?"),
            "action": look.action,
            "resource": look.resource,
            "result": look.result,
            "reason": str(look.reason),
            "count": look.count,
            "ip": look.ip,
        }
        for look in looks.iterator()
    ]
    allowed = [row for row in rows if row["result"] == Result.ALLOWED]
    return {
        "timestamp": timezone.now().isoformat(),
        "seen_by_user": dict(Counter(row["user"] for row in allowed)),
        "facilities": sorted({_facility(row["resource"]) for row in allowed} - {""}),
        "looks": allowed,
        "refused": [row for row in rows if row["result"] != Result.ALLOWED],
    }


def as_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report for a person to read."""
    if not report["looks"] and not report["refused"]:
        yield "Nobody saw, set or exported a personal or protected value in this time."
        return
    for row in report["looks"]:
        yield _line(row)
    if report["refused"]:
        yield "Refused:"
    for row in report["refused"]:
        yield _line(row)
    by_user = ", ".join(f"{user} {count}" for user, count in sorted(report["seen_by_user"].items())) or "none"
    exports = [row for row in report["looks"] if row["action"] == "export"]
    looks = len(report["looks"]) - len(exports)
    at = f"{looks} looks at {len(report['facilities'])} facilities, {len(exports)} exports"
    yield f"{at} ({by_user}); {len(report['refused'])} refused."
    if exports:
        yield "What an export held stands in the line of the export, not among these facilities."


def _line(row: dict[str, Any]) -> str:
    when = timezone.localtime(datetime.fromisoformat(row["at"])).strftime("%Y-%m-%d %H:%M:%S")
    count = f", {row['count']} facilities" if row["count"] is not None else ""
    reason = f': "{row["reason"]}"' if row["reason"] else ""
    return f"{when} {row['user']} {row['action']} {row['resource']}{count} from {row['ip'] or 'a command'}{reason}"


def _facility(resource: str) -> str:
    return resource.removeprefix("facility:").split(" ", maxsplit=1)[0] if resource.startswith("facility:") else ""
