"""What the fault tests share: the sample delivery, what an undisturbed import leaves, and how things are made to go wrong.

tests/sampling.py says which cases `make test` runs.
"""

import io
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection

from core.database_roles import as_owner
from core.models import AuditEntry
from core.state import state_hash
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.pipeline import ImportOptions, import_facilities
from etl.statement import OUTCOMES
from etl.summary import Progress
from facilities.models import Facility
from tests.sampling import all_or_sample as all_or_sample  # noqa: PLC0414 - every fault test wants it
from tests.sampling import in_full as in_full  # noqa: PLC0414
from tests.world import RAW, REGISTRY_TABLES, provider, registry, write_providers

SOURCES = ("other_services", "equity_afya")
BATCH = 15  # facilities: the sample has several batches
# loaded after several batches, and before several others
MARKED = provider(58)["facility_name"]
GATE = 7  # an advisory lock of the tests
PATIENCE = 30.0  # seconds until a test that waits for something gives up

Act = Callable[[Callable[[], Any]], Any]


# the delivery


def write_delivery(folder: Path) -> Path:
    """Return a folder with 60 places, four of them listed twice and two nearly, and a small second source."""
    records = [provider(number) for number in range(60)]
    near = [provider(n, facility_name=f"{records[n]['facility_name']}s", contact=f"0733 000 00{n}") for n in (5, 6)]
    write_providers(folder, [*records, *records[:4], *near])
    (folder / "equity_afya.json").write_bytes((RAW / "equity_afya.json").read_bytes())
    return folder


def write_changed_delivery(folder: Path) -> Path:
    """Return a folder with the same delivery some time later: contacts and services changed, three places gone, one new."""
    write_delivery(folder)
    path = folder / "other_services.json"
    records = json.loads(path.read_text())
    for number in (10, 30, 50):
        records[number]["contact"] = f"0744 000 0{number}"
        records[number + 1]["service_type"] = "Legal aid"
    write_providers(
        folder, [record for number, record in enumerate(records) if number not in (7, 24, 49)] + [provider(60)]
    )
    return folder


def import_delivery(folder: Path, *, progress: Progress = lambda _: None, **options: Any) -> dict[str, Any]:
    return import_facilities(
        ImportOptions(data_dir=folder, sources=SOURCES, batch_size=BATCH, **options), progress=progress
    )


def arguments_for(folder: Path, *more: str) -> list[str]:
    """Return the command line of the same import."""
    return ["import_facilities", *SOURCES, "--data-dir", str(folder), "--batch-size", str(BATCH), *more]


def command(*arguments: str) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of a management command."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        code = ended.code
    return int(code or 0), out.getvalue(), err.getvalue()


# what an import leaves


@dataclass(frozen=True)
class Left:
    """What imports left behind: the same for the same files, however often the import was disturbed."""

    state: str
    provenance: frozenset[tuple[Any, ...]]
    audit: Counter[tuple[str, str]]
    pending: int


@dataclass(frozen=True)
class Undisturbed:
    """An import that nothing disturbed, to compare with."""

    folder: Path
    summary: dict[str, Any]
    left: Left
    registry: dict[str, Any]
    statements: int
    seconds: float


def left_behind() -> Left:
    return Left(
        state_hash(),
        frozenset(SourceRecord.objects.values_list("source", "key", "occurrence", "facility__facility_code")),
        Counter(AuditEntry.objects.filter(table_name__in=REGISTRY_TABLES).values_list("table_name", "operation")),
        SourceRecordVersion.objects.filter(state="pending").count(),
    )


def totals_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a resumed run must report as if it had not been interrupted."""
    return {name: summary[name] for name in ("status", "totals", "rejects_by_rule", "deactivated")}


def assert_recovered(summary: dict[str, Any], undisturbed: Undisturbed) -> None:
    """Check that the last run's books balance, and that everything is as if nothing had happened."""
    assert summary["status"] == "succeeded"
    for row in summary["sources"].values():
        assert row["read"] == sum(row[outcome] for outcome in OUTCOMES), row
    assert summary["totals"]["read"] == undisturbed.summary["totals"]["read"]
    assert left_behind() == undisturbed.left
    assert not ImportRun.objects.filter(status="running").exists()


def assert_nothing_half_written(undisturbed: Undisturbed) -> None:
    """Check that each facility is as the undisturbed import leaves it, with its ledger rows; some may not be there yet."""
    for code, state in registry().items():
        assert state == undisturbed.registry[code], code
    assert not Facility.objects.filter(source_records__isnull=True).exists()
    assert not SourceRecord.objects.filter(facility__isnull=True, latest_version__state="loaded").exists()


def measure(folder: Path, **options: Any) -> Undisturbed:
    """Return an undisturbed import into the registry as it is.

    Its statements are counted to the one that ends the run: what is disturbed after that (the access log) undoes nothing.
    """
    statements: list[str] = []
    started = time.monotonic()
    with connection.execute_wrapper(lambda execute, sql, *rest: (statements.append(str(sql)), execute(sql, *rest))[1]):
        summary = import_delivery(folder, **options)
    seconds = time.monotonic() - started
    end = max(number for number, sql in enumerate(statements, start=1) if sql.startswith('UPDATE "import_runs"'))
    return Undisturbed(folder, summary, left_behind(), registry(), end, seconds)


def empty_registry() -> None:
    """Remove every row that an import writes, the audit trail and the import's user; geography and lookups stay."""
    assert str(connection.settings_dict["NAME"]).startswith("test_")
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # without triggers
        for table in ("audit_trail", "access_log", *REGISTRY_TABLES):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("DELETE FROM users WHERE username = 'import'")


# how a statement fails


def at_statement(number: int, act: Act) -> Callable[..., Any]:
    """Return an execute_wrapper that lets something else happen at this statement, once."""
    numbers = count(1)

    def wrapper(execute: Callable[..., Any], *rest: Any) -> Any:
        statement = partial(execute, *rest)
        return act(statement) if next(numbers) == number else statement()

    return wrapper


# processes


def in_child(work: Callable[..., Any], *arguments: Any) -> ForkProcess:
    """Return a forked process that does this work; no connection is shared with it."""
    connection.close()
    connection.close_pool()
    child = get_context("fork").Process(target=work, args=arguments, daemon=True)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # pytest-xdist has a thread of its own
        child.start()
    return child


def command_in_child(log: Path, *arguments: str) -> ForkProcess:
    """Return a forked process that runs a command; its stderr goes to the log."""
    return in_child(_run_command, log, *arguments)


def _run_command(log: Path, *arguments: str) -> None:
    with log.open("w") as stream:
        call_command(*arguments, stdout=io.StringIO(), stderr=stream)


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def bystander() -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a connection of its own to the test database, outside Django's pool."""
    parameters = connection.get_connection_params() | {"application_name": "bystander", "autocommit": True}
    return psycopg.connect(**parameters)


def lock_states(asking: "psycopg.Connection[tuple[Any, ...]]", lock: int) -> list[bool]:
    """Return, for each session that holds or wants an advisory lock, whether it has it."""
    rows = asking.execute(
        "SELECT granted FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [lock],
    )
    return [granted for (granted,) in rows.fetchall()]


def wait_until_alone() -> None:
    """Wait until the server has noticed that the other processes' connections are gone."""
    connection.close()
    connection.close_pool()
    with bystander() as asking:
        others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gvrc%'"
        wait_for(lambda: asking.execute(others).fetchone() is None)


# the database at fault


@contextmanager
def changed_schema(apply: str, undo: str) -> Iterator[None]:
    """Let the owner change something for a while."""
    _as_owner(apply)
    try:
        yield
    finally:
        _as_owner(undo)


def trigger(body: str, *, table: str = "facilities", when: str = "BEFORE INSERT", each: str = "FOR EACH ROW") -> Any:
    """Let a trigger of this body stand on a table for a while."""
    constraint = "CONSTRAINT" if "DEFERRABLE" in each else ""
    return changed_schema(
        f"""
        CREATE SEQUENCE fault_count;
        CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN {body} RETURN NEW; END $$;
        CREATE {constraint} TRIGGER fault {when} ON {table} {each} EXECUTE FUNCTION fault();
        """,
        "DROP FUNCTION fault CASCADE; DROP SEQUENCE fault_count",
    )


def raising(state: str, *, name: str = MARKED) -> str:
    """Return a trigger's body that refuses the facility of this name."""
    return f"IF NEW.facility_name = '{name}' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END IF;"


def raising_once(state: str, *, name: str = MARKED) -> str:
    """Return a trigger's body that refuses it the first time only: a sequence remembers, whatever is rolled back."""
    return (
        f"IF NEW.facility_name = '{name}' THEN IF nextval('fault_count') = 1 THEN"
        f" RAISE EXCEPTION 'refused once' USING ERRCODE = '{state}'; END IF; END IF;"
    )


def _as_owner(ddl: str) -> None:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(ddl)


@dataclass
class Gate:
    """Where an import stands still: in the batch that holds MARKED, until the gate opens."""

    keeper: "psycopg.Connection[tuple[Any, ...]]"

    def wait_until_reached(self) -> None:
        wait_for(lambda: False in lock_states(self.keeper, GATE))

    def open(self) -> None:
        self.keeper.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def gate() -> Iterator[Gate]:
    with (
        trigger(f"IF NEW.facility_name = '{MARKED}' THEN PERFORM pg_advisory_xact_lock({GATE}); END IF;"),
        bystander() as keeper,
    ):
        keeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield Gate(keeper)
