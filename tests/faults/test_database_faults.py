"""A database that is full, read-only, slow, torn between writers, gone for a while, or that loses its answer."""

from collections.abc import Callable, Iterator
from itertools import count
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection

from etl.errors import DatabaseAwayError
from etl.models import ImportRun
from etl.resilience import _breaker, with_retries
from facilities.models import Facility
from tests.faults.world import (
    BATCH,
    Undisturbed,
    all_or_sample,
    arguments_for,
    assert_nothing_half_written,
    assert_recovered,
    changed_schema,
    command,
    empty_registry,
    import_delivery,
    raising,
    raising_once,
    totals_of,
    trigger,
)

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def _closed_breaker() -> Iterator[None]:
    _breaker.cache_clear()
    yield
    _breaker.cache_clear()


# what a retry does not mend


def test_a_full_disk_ends_an_import_with_1_in_one_line(undisturbed: Undisturbed) -> None:
    with trigger(raising("53100")):
        code, _, err = command(*arguments_for(undisturbed.folder))
    assert (code, err) == (1, "the database's disk is full; make room there, then import again\n")
    assert_nothing_half_written(undisturbed)
    assert Facility.objects.count() % BATCH == 0
    assert 0 < Facility.objects.count() < len(undisturbed.registry)
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)


def test_a_read_only_database_ends_an_import_with_1_in_one_line(undisturbed: Undisturbed) -> None:
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    read_only = changed_schema(
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
        f"SET transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only",
    )
    with read_only:
        code, _, err = command(*arguments_for(undisturbed.folder))
    assert code == 1
    assert err.startswith("the database is read-only;")
    assert len(err.splitlines()) == 1
    assert not ImportRun.objects.exists()
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)


# statement timeout


def sleeping_beyond(rows: int) -> Any:
    """Return a trigger that makes the insert of more facilities than this take too long."""
    return trigger(
        f"IF (SELECT count(*) FROM added) > {rows} THEN PERFORM pg_sleep(30); END IF;",
        when="AFTER INSERT",
        each="REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
    )


@pytest.fixture
def _short_timeout() -> Iterator[None]:
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"] = options | {"options": "-c statement_timeout=500"}
    yield
    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"] = options


@pytest.mark.usefixtures("_short_timeout")
def test_a_batch_whose_statement_takes_too_long_is_halved(undisturbed: Undisturbed) -> None:
    with sleeping_beyond(BATCH * 2 // 3):
        summary = import_delivery(undisturbed.folder)
    assert_recovered(summary, undisturbed)


@pytest.mark.usefixtures("_short_timeout")
def test_a_batch_that_takes_too_long_is_halved_only_once(undisturbed: Undisturbed) -> None:
    with sleeping_beyond(BATCH // 3):
        code, _, err = command(*arguments_for(undisturbed.folder))
    message = "a statement took longer than DB_QUERY_TIMEOUT; raise it, or import with a smaller --batch-size\n"
    assert (code, err) == (1, message)
    assert Facility.objects.count() == 0
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)


# what a retry mends


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01"])
@pytest.mark.parametrize(
    ("when", "each"),
    [("BEFORE INSERT", "FOR EACH ROW"), ("AFTER INSERT", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW")],
    ids=["at once", "at commit"],
)
def test_two_writers_in_each_others_way_are_told_apart_by_a_retry(
    state: str, when: str, each: str, undisturbed: Undisturbed
) -> None:
    with trigger(raising_once(state), when=when, each=each):
        summary = import_delivery(undisturbed.folder)
    assert totals_of(summary) == totals_of(undisturbed.summary)
    assert_recovered(summary, undisturbed)


# a lost answer


@pytest.mark.parametrize("start", all_or_sample(range(1, 7), [3]))
def test_a_commit_whose_answer_is_lost_doubles_nothing(
    start: int, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    commit = psycopg.Connection.commit
    for number in range(start, commits_of(undisturbed, monkeypatch) + 1, 6):
        with subtests.test(commit=number):
            numbers = count(1)

            def lose(self: Any, numbers: Iterator[int] = numbers, number: int = number) -> None:
                commit(self)
                if next(numbers) == number:
                    self.close()
                    raise psycopg.OperationalError("server closed the connection unexpectedly")

            empty_registry()
            with monkeypatch.context() as patched:
                patched.setattr(psycopg.Connection, "commit", lose)
                summary = import_delivery(undisturbed.folder)
            assert totals_of(summary) == totals_of(undisturbed.summary)
            assert_recovered(summary, undisturbed)


def commits_of(undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many transactions an undisturbed import commits."""
    numbers, commit = count(), psycopg.Connection.commit
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "commit", lambda self: (next(numbers), commit(self))[1])
        import_delivery(undisturbed.folder)
    return next(numbers)


# the circuit breaker


def lost() -> None:
    raise OperationalError from psycopg.errors.ConnectionFailure()


def test_the_breaker_ends_an_import_with_5_after_so_many_failures_in_a_row(
    undisturbed: Undisturbed, settings: Any
) -> None:
    settings.ETL_BREAKER_FAILURES, settings.ETL_BREAKER_SECONDS = 3, 60
    with connection.execute_wrapper(always_lost_once_facilities_are_written):
        code, _, err = command(*arguments_for(undisturbed.folder))
    assert code == 5
    assert err == ("the database failed 3 times in a row; it is left alone for 60 s, then import with --resume\n")
    assert ImportRun.objects.get().status == "interrupted"
    with pytest.raises(DatabaseAwayError):
        with_retries(Facility.objects.count)
    _breaker.cache_clear()  # as in the next process
    summary = import_delivery(undisturbed.folder, resume=True)
    assert totals_of(summary) == totals_of(undisturbed.summary)
    assert_recovered(summary, undisturbed)


def always_lost_once_facilities_are_written(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    if sql.startswith('INSERT INTO "facilities"'):
        lost()
    return execute(sql, *rest)


def test_faults_of_the_data_never_open_the_breaker(settings: Any) -> None:
    settings.ETL_BREAKER_FAILURES, settings.ETL_BREAKER_SECONDS = 2, 60

    def refused() -> None:
        raise IntegrityError from psycopg.errors.CheckViolation()

    for _ in range(5):
        with pytest.raises(IntegrityError):
            with_retries(refused)
    assert with_retries(lambda: "answered") == "answered"


def test_an_open_breaker_lets_no_call_through(settings: Any) -> None:
    settings.ETL_BREAKER_FAILURES, settings.ETL_BREAKER_SECONDS = 2, 60
    calls = []
    with pytest.raises(DatabaseAwayError):
        with_retries(lost)
    with pytest.raises(DatabaseAwayError):
        with_retries(lambda: calls.append("called"))
    assert not calls


@pytest.mark.parametrize("is_back", [False, True])
def test_a_half_open_breaker_lets_a_single_probe_through(is_back: bool, settings: Any) -> None:
    settings.ETL_BREAKER_FAILURES, settings.ETL_BREAKER_SECONDS = 1, 1
    with pytest.raises(DatabaseAwayError):
        with_retries(lost)
    Event().wait(1.0)  # the breaker's second
    calls, refusals, may_end = [], [], Event()

    def probe() -> None:
        calls.append("called")
        may_end.wait(10)
        if not is_back:
            lost()

    def ask() -> None:
        try:
            with_retries(probe)
        except DatabaseAwayError:
            refusals.append("refused")

    askers = [Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    Event().wait(0.1)
    assert len(calls) == 1
    may_end.set()
    for asker in askers:
        asker.join()
    assert (len(calls), len(refusals)) == ((4, 0) if is_back else (1, 4))
