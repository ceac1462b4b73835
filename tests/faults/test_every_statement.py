"""An import that fails at its Nth database statement, for every N: afterwards it is as if nothing had happened."""

import os
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, ProgrammingError, connection

from tests.faults.world import (
    Act,
    Undisturbed,
    all_or_sample,
    assert_recovered,
    at_statement,
    empty_registry,
    import_delivery,
    in_child,
    in_full,
    totals_of,
    wait_until_alone,
)

pytestmark = pytest.mark.usefixtures("transactional_db")

STRIDE = 12  # each case takes every twelfth statement, beginning with its own
SPARSE = all_or_sample([STRIDE], [3 * STRIDE])[0]  # the sample's own stride
EXITS = all_or_sample([STRIDE], [2 * STRIDE])[0]


def connection_lost(statement: Callable[[], Any]) -> Any:
    raise OperationalError from psycopg.errors.ConnectionFailure()  # SQLSTATE 08006


def reply_lost(statement: Callable[[], Any]) -> Any:
    statement()
    connection.connection.close()
    raise OperationalError from psycopg.OperationalError("server closed the connection unexpectedly")


def refused(statement: Callable[[], Any]) -> Any:
    raise ProgrammingError from psycopg.errors.UndefinedTable()  # SQLSTATE 42P01


def exit_at_once(statement: Callable[[], Any]) -> Any:
    os._exit(9)


def statements_from(start: int, undisturbed: Undisturbed, *, stride: int) -> range:
    return range(start, undisturbed.statements + 1, stride)


def prepare(before: Undisturbed | None) -> None:
    empty_registry()
    if before:
        import_delivery(before.folder)


@pytest.mark.parametrize("start", all_or_sample(range(1, STRIDE + 1), [8]))
@pytest.mark.parametrize("fault", [connection_lost, reply_lost])
def test_a_transient_fault_at_any_statement_is_retried_inside_the_run(
    fault: Act, start: int, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    for number in statements_from(start, undisturbed, stride=SPARSE):
        with subtests.test(statement=number):
            empty_registry()
            with connection.execute_wrapper(at_statement(number, fault)):
                summary = import_delivery(undisturbed.folder)
            assert totals_of(summary) == totals_of(undisturbed.summary)
            assert_recovered(summary, undisturbed)


@pytest.mark.parametrize("start", all_or_sample(range(1, STRIDE + 1), [3]))
def test_a_refused_statement_ends_the_run_and_the_next_run_makes_it_good(
    start: int, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    for number in statements_from(start, undisturbed, stride=SPARSE):
        with subtests.test(statement=number):
            empty_registry()
            with connection.execute_wrapper(at_statement(number, refused)), pytest.raises(ProgrammingError):
                import_delivery(undisturbed.folder)
            assert_recovered(import_delivery(undisturbed.folder), undisturbed)


@in_full
@pytest.mark.parametrize("start", all_or_sample(range(1, STRIDE + 1), [11]))
def test_a_process_that_ends_at_any_statement_is_made_good_by_the_next_run(
    start: int, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    for turn, number in enumerate(statements_from(start, undisturbed, stride=EXITS)):
        is_resumed = turn % 2 == 1
        with subtests.test(statement=number, resume=is_resumed):
            empty_registry()
            exit_in_child(number, undisturbed.folder)
            summary = import_delivery(undisturbed.folder, resume=is_resumed)
            if is_resumed:
                assert totals_of(summary) == totals_of(undisturbed.summary)
            assert_recovered(summary, undisturbed)


def exit_in_child(number: int, folder: Any, **options: Any) -> None:
    def work() -> None:
        with connection.execute_wrapper(at_statement(number, exit_at_once)):
            import_delivery(folder, **options)

    child = in_child(work)
    child.join()
    assert child.exitcode == 9
    wait_until_alone()


# over a registry that holds the delivery before


@pytest.mark.parametrize("start", all_or_sample(range(1, STRIDE + 1), [5]))
@pytest.mark.parametrize("fault", all_or_sample([connection_lost, reply_lost, refused, exit_at_once], [reply_lost]))
def test_a_changed_delivery_disturbed_at_any_statement_leaves_what_an_undisturbed_one_does(
    fault: Act, start: int, undisturbed: Undisturbed, undisturbed_change: Undisturbed, subtests: pytest.Subtests
) -> None:
    for turn, number in enumerate(statements_from(start, undisturbed_change, stride=SPARSE)):
        is_resumed = turn % 2 == 1
        with subtests.test(statement=number, resume=is_resumed):
            empty_registry()
            import_delivery(undisturbed.folder)
            change = {"folder": undisturbed_change.folder, "deactivate_missing": True}
            if fault is exit_at_once:
                exit_in_child(number, **change)
            else:
                with connection.execute_wrapper(at_statement(number, fault)):
                    try:
                        import_delivery(**change)
                    except DatabaseError:
                        assert fault is refused
            assert_recovered(import_delivery(**change, resume=is_resumed), undisturbed_change)
