"""What to do when the database fails: retry a whole unit of work, stop after repeated failures, tell bad data apart."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from time import monotonic

import stamina
import structlog
from django.conf import settings
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitMemoryStorage
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from core.crypto import ReservedWordsError
from core.database_errors import kind_of, sqlstate_of
from etl.errors import DatabaseAwayError
from etl.stages.records import Finding, Severity

log = structlog.get_logger(__name__)
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds
# https://www.postgresql.org/docs/16/errcodes-appendix.html
_TRANSIENT = ("40001", "40P01", "55P03", "57P0", "08", "53300")
_DATA = ("21", "22", "23", "44", "P0001")
_SAID_BY_THE_DRIVER = (
    DataError,
    IntegrityError,
    UnicodeError,
    ReservedWordsError,
)  # or by us, before PostgreSQL saw it
_STATEMENT_TIMEOUT = "57014"


class Fault(Enum):
    """What an error says about the world: try again, give less at once, blame a record, or give up."""

    TRANSIENT = auto()
    TIMEOUT = auto()
    DATA = auto()
    OTHER = auto()


def fault_of(error: BaseException) -> Fault:
    """Return what kind of fault an error is, by its SQLSTATE; a connection that broke without one is transient."""
    state = sqlstate_of(error)
    if state.startswith(_TRANSIENT):
        return Fault.TRANSIENT
    if state == _STATEMENT_TIMEOUT:
        return Fault.TIMEOUT
    if state.startswith(_DATA) or (not state and isinstance(error, _SAID_BY_THE_DRIVER)):
        return Fault.DATA
    return Fault.TRANSIENT if not state and isinstance(error, OperationalError | InterfaceError) else Fault.OTHER


def with_retries[T](work: Callable[[], T]) -> T:
    """Return what a unit of database work returns, retried as a whole while its faults are transient.

    `work` opens its own transaction. The reply to an earlier COMMIT may have been lost, so a later attempt must see for
    itself what is done. Full jitter: https://aws.amazon.com/blogs/architecture/
    exponential-backoff-and-jitter/. Raises DatabaseAwayError once the circuit breaker is open.
    """
    if connection.in_atomic_block:
        return work()  # part of a transaction, which nobody can retry from inside
    number = 0

    def wait(error: Exception) -> bool | float:
        if fault_of(error) is not Fault.TRANSIENT:
            return False
        connection.close()  # it may be broken; the pool gives a sound one
        return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**number))  # noqa: S311 # nosec B311 # spreads writers out

    breaker = _breaker(settings.ETL_BREAKER_FAILURES, settings.ETL_BREAKER_SECONDS)
    attempts = stamina.retry_context(
        on=wait, attempts=settings.ETL_MAX_RETRIES + 1, timeout=settings.ETL_TIMEOUT_SECONDS
    )
    try:
        for attempt in attempts:
            number = attempt.num
            with attempt:
                return breaker.call(work)
    except CircuitBreakerError as error:
        connection.close()
        failures, seconds = settings.ETL_BREAKER_FAILURES, settings.ETL_BREAKER_SECONDS
        message = f"the database failed {failures} times in a row; it is left alone for {seconds} s, then import with --resume"
        raise DatabaseAwayError(message) from error
    raise AssertionError  # the last attempt returned or raised


def _log_retry(details: RetryDetails) -> None:
    """Log a retry; stamina's own hook writes down what the work was called with, and the error's text."""
    state, seconds = sqlstate_of(details.caused_by), round(details.wait_for, 2)
    log.warning("retry scheduled", code="retry", attempt=details.retry_num, seconds=seconds, sqlstate=state)


set_on_retry_hooks([_log_retry])


class _MonotonicStorage(CircuitMemoryStorage):
    """The breaker's memory, with the time of opening kept on the monotonic clock: the wall clock may jump."""

    _opened_monotonic: float | None = None

    @property
    def opened_at(self) -> datetime | None:
        if self._opened_monotonic is None:
            return None
        return datetime.now(UTC) - timedelta(seconds=monotonic() - self._opened_monotonic)

    @opened_at.setter
    def opened_at(self, _: datetime) -> None:
        self._opened_monotonic = monotonic()


@lru_cache
def _breaker(failures: int, seconds: int) -> CircuitBreaker:
    """Return this process's breaker: only transient faults count, and half open it lets one call through."""
    return CircuitBreaker(
        fail_max=failures,
        reset_timeout=seconds,
        exclude=[lambda error: fault_of(error) is not Fault.TRANSIENT],
        state_storage=_MonotonicStorage("closed"),
    )


def isolate[T](
    items: Sequence[T], *, write: Callable[[Sequence[T]], object], blame: Callable[[T, Exception], None]
) -> None:
    """Write all items inside the open transaction; one that the database refuses is found by halving, and blamed.

    The savepoints keep what the others wrote. An error that is no record's fault goes on up.
    """
    try:
        with transaction.atomic():
            write(items)
    except (DatabaseError, ValueError) as error:
        if fault_of(error) is not Fault.DATA:
            raise
        if len(items) == 1:
            log.warning("record refused", code="database-refused", sqlstate=sqlstate_of(error))
            blame(items[0], error)
            return
        middle = len(items) // 2
        isolate(items[:middle], write=write, blame=blame)
        isolate(items[middle:], write=write, blame=blame)


def refused_by_database(error: Exception) -> Finding:
    """Return the finding about a record that the database refuses; PostgreSQL's own text is not quoted, it holds values."""
    diagnosis = getattr(error.__cause__, "diag", None)
    named = (getattr(diagnosis, part, None) for part in ("table_name", "column_name", "constraint_name"))
    message = f"the database refuses it ({', '.join([kind_of(error), *filter(None, named)])})"
    hint = "mend the record at its source, or report it if it looks right"
    return Finding("database-refused", Severity.REJECT, "record", message, hint=hint)
