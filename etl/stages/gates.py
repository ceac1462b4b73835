"""When a finished run still fails: too many rejects, quality below target, a source refused."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from core.errors import ExitCode
from etl.stages.quality import misses_target


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """How many rejects are too many: a number of records, or a share of those read in percent."""

    amount: float
    is_percent: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limit that "25" or "2.5%" states."""
        number = text.removesuffix("%")
        try:
            amount = float(number) if text.endswith("%") else int(number)
        except ValueError:
            message = f"'{text}' is neither a number of records nor a percentage such as 5%"
            raise ArgumentTypeError(message) from None
        if not 0 <= amount < float("inf"):
            message = f"'{text}' must not be negative"
            raise ArgumentTypeError(message)
        return cls(amount, text.endswith("%"))

    def is_exceeded(self, *, rejected: int, read: int) -> bool:
        return rejected > (self.amount * read / 100 if self.is_percent else self.amount)


def beyond_gate(summary: Mapping[str, Any], *, limit: RejectLimit | None, fail_on: str) -> str:
    """Return why a finished run still fails, or "" where it does not."""
    totals = summary["totals"]
    rejected, read = totals["rejected"], totals["read"]
    if limit is not None and limit.is_exceeded(rejected=rejected, read=read):
        return f"{rejected} of {read} records were rejected, beyond --max-rejects"
    if fail_on == "rejects" and rejected:
        return f"{rejected} of {read} records were rejected, and --fail-on rejects allows none"
    if fail_on == "quality" and misses_target(summary["quality"]):
        return "a quality metric lies below its target (--fail-on quality)"
    return ""


def exit_code(summary: Mapping[str, Any], *, limit: RejectLimit | None, fail_on: str) -> int:
    """Return 1 where a source was refused, 4 where the run lies beyond a gate, else 0."""
    if summary["status"] != "succeeded":
        return ExitCode.FAILURE
    return ExitCode.BEYOND_GATE if beyond_gate(summary, limit=limit, fail_on=fail_on) else ExitCode.SUCCESS
