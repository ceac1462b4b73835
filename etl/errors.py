"""The errors of a broken world. What is wrong with the data is a Finding, never an exception."""

from core.errors import ExitCode, ExplainedError


class EtlError(ExplainedError):
    """A run, or one source of it, cannot go on; the message is one line and says what to do.

    `code` is stable: logs and docs/error-codes.md name it. `exit_code` is what a command ends with.
    """

    code = "etl-error"
    exit_code = ExitCode.FAILURE


class UnsoundFileError(EtlError):
    """A file is not sound JSON of a known shape: nothing of it is loaded."""

    code = "file-unsound"


class MissingFileError(EtlError):
    """A source's file is not there."""

    code = "file-missing"


class ChangedFileError(EtlError):
    """The second reading of a file did not see the bytes of the first."""

    code = "file-changed"


class EmptySourceError(EtlError):
    """A source that should hold records holds none."""

    code = "source-empty"


class UnbalancedBooksError(EtlError):
    """The records read and the outcomes written do not add up."""

    code = "books-unbalanced"


class ReferenceDataError(EtlError):
    """Geography or lookups are not loaded."""

    code = "reference-missing"


class WrongKeyError(EtlError):
    """A version in the ledger that no key of FIELD_KEYS opens; core/key_guard.py looks at the keys as a whole."""

    code = "key-wrong"


class UnknownSourceError(EtlError):
    """A source was named that is not in SOURCES."""

    code = "source-unknown"
    exit_code = ExitCode.WRONG_USAGE


class ShrunkSourceError(EtlError):
    """A source holds much less than it held in its last good run."""

    code = "source-shrunk"


class DriftedSourceError(EtlError):
    """A source's records lack members that they had, or hold them in another type, and the run was asked to refuse that."""

    code = "source-drifted"


class LockHeldError(EtlError):
    """Another import is at work."""

    code = "lock-held"
    exit_code = ExitCode.LOCK_HELD


class SupersededError(EtlError):
    """Another run took over: this one may not write any more."""

    code = "run-superseded"
    exit_code = ExitCode.INTERRUPTED


class DatabaseAwayError(EtlError):
    """The database failed several times in a row, and the circuit breaker is open."""

    code = "breaker-open"
    exit_code = ExitCode.INTERRUPTED


class WorkerDiedError(EtlError):
    """Worker processes died again and again at one piece of work."""

    code = "worker-died"
    exit_code = ExitCode.INTERRUPTED


class WorkerDiffersError(EtlError):
    """A worker would read records differently from the process that gives it work."""

    code = "worker-differs"
    exit_code = ExitCode.INTERRUPTED


class ClusterError(EtlError):
    """There is no cluster, or no worker of it, to work on."""

    code = "cluster-away"


class UnknownRunError(EtlError):
    """A run was named that does not exist, or that cannot be undone."""

    code = "run-unknown"
    exit_code = ExitCode.WRONG_USAGE


class UnknownRejectError(EtlError):
    """A reject was named that does not exist or is settled."""

    code = "reject-unknown"
    exit_code = ExitCode.WRONG_USAGE


class UnknownFacilityError(EtlError):
    """A facility code was given that no facility has or had."""

    code = "facility-unknown"
    exit_code = ExitCode.WRONG_USAGE


class DecisionError(EtlError):
    """A person asked for a merge or a split that is none: nothing was changed."""

    code = "decision-impossible"
    exit_code = ExitCode.WRONG_USAGE


class UnknownNameError(EtlError):
    """A user or a county was named that is not there."""

    code = "name-unknown"
    exit_code = ExitCode.WRONG_USAGE


class NotAllowedError(EtlError):
    """A user may not do what was asked for."""

    code = "not-allowed"


class OutputError(EtlError):
    """A file cannot be written where it was asked for."""

    code = "output-unwritable"
