"""What a person at the terminal sees of a run: progress, the summary table, one clear line for what went wrong."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError
from rich.console import Console
from rich.table import Table

from core.command_line import READER_LEFT
from core.database_errors import kind_of, sqlstate_of
from core.embedded_postgres import EmbeddedPostgresError
from core.errors import ExitCode
from core.installation import IS_SERVER, MANAGE
from core.interruptions import interrupted_once
from etl.errors import EtlError, OutputError
from etl.quality_reporting import read_report, was_measured
from etl.rejects import find_waiting
from etl.stages import quality_page
from etl.stages.report import COLUMNS, remarks, table_rows, to_html, to_json, to_table, to_text

log = structlog.get_logger(__name__)


class Stream(Protocol):
    """Where lines are written: a management command's stdout or stderr."""

    def write(self, msg: str) -> object: ...


def run_with_exit_code(work: Callable[[], int], stderr: Stream) -> int:  # noqa: PLR0911 - one return for each code
    """Return the exit code of the work; every error ends as one line, its traceback in the log only."""
    try:
        with interrupted_once():  # the open batch is rolled back
            return work()
    except EtlError as error:
        stderr.write(str(error))
        return error.exit_code
    except (EmbeddedPostgresError, ImproperlyConfigured) as error:
        stderr.write(next(iter(str(error).splitlines()), type(error).__name__))
        return ExitCode.FAILURE
    except (OperationalError, InterfaceError) as error:
        if sqlstate_of(error) == "57014":
            stderr.write(
                "a statement took longer than DB_QUERY_TIMEOUT; raise it, or import with a smaller --batch-size"
            )
            return ExitCode.FAILURE
        log.exception("database lost", code="database-lost")
        if reason := _WORLD_FAULTS.get(sqlstate_of(error)):
            stderr.write(reason)
            return ExitCode.FAILURE
        stderr.write(
            f"the database is away ({kind_of(error)}); mend that and run the command again, an import with --resume"
        )
        return ExitCode.INTERRUPTED
    except DatabaseError as error:
        log.exception("database refused", code="database-refused")
        if reason := _WORLD_FAULTS.get(sqlstate_of(error)):
            stderr.write(reason)
            return ExitCode.FAILURE
        stderr.write(
            f"the database refused the import ({kind_of(error)}); run `manage.py migrate`, then look into the log"
        )
        return ExitCode.FAILURE
    except (KeyboardInterrupt, BrokenPipeError) as error:
        return _broken_off(error, stderr)
    except Exception as error:  # the last net: no traceback reaches a user
        log.exception("unexpected error", code="unexpected")
        stderr.write(f"an error that nobody expected ({type(error).__name__}); the log has the details")
        return ExitCode.FAILURE


def _broken_off(error: BaseException, stderr: Stream) -> int:
    """Say what a person did to the command, or to what read its output."""
    if isinstance(error, BrokenPipeError):
        stderr.write(READER_LEFT)
        return ExitCode.FAILURE
    stderr.write("interrupted; what was written is whole; run the same command again to go on, an import with --resume")
    return ExitCode.INTERRUPTED


_WORLD_FAULTS = {
    "53100": "the database's disk is full; make room there, then import again",
    "25006": "the database is read-only; connect to the primary server, or end its maintenance, then import again",
    "42501": "the database role may not write; run `manage.py migrate` as the owner (DATABASE_OWNER_URL), then import again",
}


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Give a function that is told each step's name; on a terminal the step shows with a spinner, elsewhere nothing."""
    if quiet:
        logging.getLogger().setLevel(logging.WARNING)
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    with Console(stderr=True).status("starting") as status:
        yield status.update


@contextmanager
def profiled(path: Path | None) -> Iterator[None]:
    """Write where this process spent its time into a file, as HTML (.txt: text); raises EtlError where that cannot be."""
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        message = f"the profile cannot be written to {path}: {error.strerror}; nothing was imported"
        raise OutputError(message) from error
    try:
        from pyinstrument import Profiler  # noqa: PLC0415 - of the dev requirements, not installed everywhere
    except ImportError as error:
        message = "--profile needs pyinstrument: install requirements-dev.txt"
        raise EtlError(message) from error
    profiler = Profiler()
    with profiler:
        yield
    text = profiler.output_text(unicode=True) if path.suffix == ".txt" else profiler.output_html()
    write_text(path, text, what="the import is done, but its profile")


def print_summary(summary: Mapping[str, Any], stdout: Stream) -> None:
    """Print the table and what needs a person; the last line names the run and the next useful command."""
    if sys.stdout.isatty():
        _print_table(summary)
    else:
        stdout.write(to_table(summary))
    stdout.write("\n".join(remarks(summary)))
    stdout.write(last_line(summary))


def _print_table(summary: Mapping[str, Any]) -> None:
    table = Table("source", title="Dry run" if summary["dry_run"] else f"Run {summary['run']}")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for row in table_rows(summary):
        table.add_row(*row, style="bold" if row[0] == "total" else None)
    Console().print(table)


def last_line(summary: Mapping[str, Any]) -> str:
    """Return the line that names the run and the next useful command."""
    if summary["dry_run"] and summary["status"] == "failed":
        return "Dry run failed; nothing was written"
    if summary["dry_run"] and summary["status"] == "partial":
        sound = " ".join(name for name, row in summary["sources"].items() if not row.get("error"))
        return f"Dry run partial; nothing was written. Next: mend what was refused, or import the others: {sound}"
    if summary["dry_run"]:
        return f"Dry run {summary['status']}; nothing was written. Next: the same command without --dry-run"
    return f"Run {summary['run']} {summary['status']}. Next: {_next_command(summary)}"


def _next_command(summary: Mapping[str, Any]) -> str:
    if summary["status"] != "succeeded":
        refused = [name for name, row in summary["sources"].items() if row.get("error")]
        return f"mend what was refused, then {' '.join([MANAGE, 'import_facilities', *refused])}"
    if summary["totals"]["rejected"]:
        return f"{MANAGE} rejects list"
    return f"{MANAGE} quality_report" if IS_SERVER else "make serve"


def counted(count: int, noun: str) -> str:
    """Return "1 reject", "2 rejects"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def print_rejects(found: Sequence[Mapping[str, Any]], stdout: Stream) -> None:
    """Print one line for each reject, and what to do next."""
    if not found:
        stdout.write("No reject.")
        return
    for reject in found:
        first = next((f for f in reject["findings"] if f["severity"] == "reject"), {"message": ""})
        where = f"{reject['file']} {reject['pointer']}"
        stdout.write(f"{reject['id']:>6}  {where}  {', '.join(reject['rules'])}: {first['message']}")
    stdout.write(
        f"{counted(len(found), 'reject')}. Next: {MANAGE} rejects show {found[0]['id']}, or rejects replay once they are mended"
    )


def describe_reject(reject: Mapping[str, Any]) -> str:
    """Return a reject with every finding: rule, field, message, hint."""
    head = (
        f"reject {reject['id']} ({reject['state']}): {reject['file']} {reject['pointer']}\n"
        f"  source {reject['source']}, run {reject['run']}, read {reject['attempts']} times"
    )
    findings = (
        f"  {f['severity']}: {f['rule']} ({f['field'] or 'record'}) {f['message']}"
        f"{f' at {f["pointer"]}' if f['pointer'] not in {'', reject['pointer']} else ''}\n    {f['hint']}"
        for f in reject["findings"]
    )
    return "\n".join([head, *findings])


def offer_replay(stdout: Stream) -> None:
    """Say how many rejects would load now that the reference data changed."""
    if waiting := len(find_waiting()):
        stdout.write(f"{counted(waiting, 'rejected record')} waited for this. Next: {MANAGE} rejects replay --waiting")


def write_report(summary: Mapping[str, Any], path: Path) -> None:
    """Write the report as HTML, or as what the path's suffix asks for (.json, .txt)."""
    if path.suffix in {".json", ".txt"}:
        text = to_json(summary) if path.suffix == ".json" else to_text(summary)
    else:
        text = to_html(summary, read_report(summary["run"]) if was_measured(summary) else None)
    write_text(path, text, what="the import is done, but its report")


# how `quality_report --format` writes a report
RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "text": quality_page.to_text, "json": to_json, "html": quality_page.to_html,
}  # fmt: skip


def write_text(path: Path, text: str, *, what: str) -> None:
    """Write a text into a file, in place of what stood there; raises EtlError, which names it by `what`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{what} cannot be written to {path}: {error.strerror}"
        raise OutputError(message) from error
