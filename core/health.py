"""Whether the registry is well: each check's verdict, found within seconds whatever the database does."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TypedDict

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError

from core.bounded import Lane
from core.database_errors import kind_of
from core.errors import ExplainedError

PATIENCE = 2.8  # seconds: a probe that gives up after three has its answer


class Status(StrEnum):
    """How a check came out; an error is one that could not be made, and counts as unhealthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: one line for staff, without host, statement or connection string."""

    status: Status
    details: str


@dataclass(frozen=True, slots=True)
class Check:
    """One question; without the database where it can be answered so, since that is when it is asked most."""

    name: str
    look: Callable[[], Verdict]
    needs_database: bool = True


class Told(TypedDict):
    """A verdict as JSON."""

    status: str
    details: str


class Report(TypedDict):
    """The object of `health_check --json`, and of /readyz for staff."""

    overall_status: str
    checks: dict[str, Told]
    timestamp: str


CHECKS: list[Check] = []
_LATE = Verdict(Status.ERROR, "no answer in time")
_AWAY = Verdict(Status.ERROR, "not looked at: the database does not answer")
_database_lane, _file_lane = Lane(), Lane()


def add_checks(checks: Iterable[Check]) -> None:
    """Take these checks in; an app does so when it is ready, and twice does no harm."""
    known = {check.name for check in CHECKS}
    CHECKS.extend(check for check in checks if check.name not in known)


def healthy(details: str) -> Verdict:
    """Return a good verdict."""
    return Verdict(Status.HEALTHY, details)


def unhealthy(details: str) -> Verdict:
    """Return a bad verdict; its line says what to do."""
    return Verdict(Status.UNHEALTHY, details)


def age_in_words(age: timedelta) -> str:
    """Return an age in words: "3 h", "40 min"."""
    minutes = max(0, int(age.total_seconds() // 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def judge(check: Check) -> Verdict:
    """Return what a check finds; whatever keeps it from finding anything is a verdict, too, without the error's text."""
    try:
        return check.look()
    except (ExplainedError, ImproperlyConfigured) as error:  # texts of our own
        return unhealthy(next(iter(str(error).splitlines()), type(error).__name__))
    except (DatabaseError, InterfaceError) as error:
        return Verdict(Status.ERROR, f"the database failed ({kind_of(error)})")
    except OSError as error:
        return Verdict(Status.ERROR, error.strerror or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the last net: its text may quote values
        return Verdict(Status.ERROR, f"the check itself failed ({type(error).__name__})")


def find_health(*, seconds: float = PATIENCE) -> Report:
    """Return what all checks found; of those that did not end in time, that they did not."""
    found: dict[str, Verdict] = {}
    lanes = ((_database_lane, True), (_file_lane, False))
    waits = [
        lane.start(partial(_judge_all, [check for check in CHECKS if check.needs_database is needed], found))
        for lane, needed in lanes
    ]
    deadline = time.monotonic() + seconds
    for done in waits:
        done.wait(max(0.0, deadline - time.monotonic()))
    return as_report({check.name: found.get(check.name, _LATE) for check in CHECKS})


def _judge_all(checks: Sequence[Check], found: dict[str, Verdict]) -> None:
    for number, check in enumerate(checks):
        found[check.name] = judge(check)
        is_away = number == 0 and check.needs_database and found[check.name].status is not Status.HEALTHY
        if is_away:  # each of the others would wait as long for the same answer
            found |= {other.name: _AWAY for other in checks[1:]}
            return


def as_report(verdicts: dict[str, Verdict]) -> Report:
    """Return verdicts as JSON."""
    is_well = all(verdict.status is Status.HEALTHY for verdict in verdicts.values())
    return {
        "overall_status": Status.HEALTHY if is_well else Status.UNHEALTHY,
        "checks": {name: {"status": str(v.status), "details": v.details} for name, v in verdicts.items()},
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def is_well(report: Report) -> bool:
    """Return whether every check came out well."""
    return report["overall_status"] == Status.HEALTHY


def as_lines(report: Report) -> list[str]:
    """Return a report for a terminal: a line for each check, what is not well first; the last one says what comes next."""
    checks = sorted(report["checks"].items(), key=lambda item: item[1]["status"] == Status.HEALTHY)
    lines = [f"{told['status']:<10} {name:<11} {told['details']}" for name, told in checks]
    ill = sum(told["status"] != Status.HEALTHY for told in report["checks"].values())
    last = f"unhealthy: {ill} of {len(lines)} checks. Next: docs/monitoring.md says what to do about each"
    return [*lines, last if ill else f"healthy: {len(lines)} checks"]
