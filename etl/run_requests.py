"""What people ask for in the browser: previewed first, then confirmed, then carried out by the page or a worker, once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone

from core.advisory_locks import LockTakenError, advisory_lock, is_taken
from core.database_errors import kind_of
from core.errors import ExitCode
from core.key_guard import KeysDoNotFitError
from core.models import User
from core.roles import Action, may
from etl.errors import ChangedFileError, EtlError, LockHeldError, NotAllowedError
from etl.models import ImportRun, RunRequest
from etl.pipeline import ImportOptions, import_facilities
from etl.preview import preview_run, preview_undo
from etl.rejects import RejectFilter, find, replay
from etl.sources import SOURCES
from etl.stages.drift import OnDrift
from etl.stages.report import refusals
from etl.undo import undo_import
from etl.uploads import forget, sha256_of, size_of

log = structlog.get_logger(__name__)
Kind, Phase, State = RunRequest.Kind, RunRequest.Phase, RunRequest.State
BYTES_PER_RECORD = 400  # the seven lists hold 190 to 700 bytes a record: their size tells how many, unread
OPEN = (State.QUEUED, State.READY, State.REFUSED, State.FAILED, State.INTERRUPTED)  # may be cancelled
# of the lock that says that a request is being worked on; the lower half is its number, the upper is of no other lock
_LOCK = 0x47565251 << 32


_RESUMABLE = {ImportRun.Status.INTERRUPTED, ImportRun.Status.RUNNING}  # running: or dead, and not yet marked so


# asking


def ask_import(
    *,
    data_dir: Path,
    sources: Sequence[str],
    user: User,
    allow_shrink: bool = False,
    allow_drift: bool = False,
    deactivate_missing: bool = False,
    files: Sequence[Mapping[str, object]] = (),
    of_run: ImportRun | None = None,
) -> RunRequest:
    """Return a request to import; its preview is still to come: see submit()."""
    size = size_of(sources or list(SOURCES), data_dir)
    return _ask(
        Kind.IMPORT,
        user,
        data_dir=str(data_dir.absolute()),
        sources=list(sources),
        allow_shrink=allow_shrink,
        allow_drift=allow_drift,
        deactivate_missing=deactivate_missing,
        files=list(files),
        of_run=of_run,
        is_large=size > settings.ETL_INLINE_RECORDS * BYTES_PER_RECORD,
    )


def ask_again(run: ImportRun, *, user: User) -> RunRequest:
    """Return a request to do an import again; one that was interrupted goes on where it ended."""
    did = run.options
    return ask_import(
        data_dir=Path(did.get("data_dir", "")),
        sources=did.get("sources", []),
        user=user,
        allow_shrink=did.get("allow_shrink", False),
        allow_drift=run.status in _RESUMABLE,  # what was begun was accepted; what failed is asked about anew
        deactivate_missing=did.get("deactivate_missing", False),
        of_run=run,
    )


def ask_undo(run: ImportRun, *, user: User) -> RunRequest:
    """Return a request to undo a run."""
    return _ask(Kind.UNDO, user, of_run=run, is_large=_records_of(run) > settings.ETL_INLINE_RECORDS)


def ask_replay(run: ImportRun, *, user: User) -> RunRequest:
    """Return a request to replay the open rejects of a run; there is nothing to preview but how many they are."""
    count = find(RejectFilter(run=run.pk)).count()
    return _ask(
        Kind.REPLAY,
        user,
        of_run=run,
        is_large=count > settings.ETL_INLINE_RECORDS,
        state=State.READY,
        preview={"counts": {"to replay": count}, "items": []},
    )


def _ask(kind: RunRequest.Kind, user: User, **values: Any) -> RunRequest:
    now = timezone.now()
    return RunRequest.objects.create(kind=kind, asked_by=user, asked_at=now, state_since=now, **values)


def _records_of(run: ImportRun) -> int:
    return int(run.summary.get("totals", {}).get("read", 0))


def folders_in_use() -> set[str]:
    """Return the folders whose files are, or will soon be, read."""
    busy = RunRequest.objects.filter(state__in=[State.QUEUED, State.WORKING])
    return set(busy.values_list("data_dir", flat=True))


# each step is taken once, whoever asks twice


def submit(request: RunRequest) -> None:
    """Let what is queued be done: by this very request where it is small, else by a worker."""
    from etl.tasks import carry_out_later  # noqa: PLC0415 - tasks import this module

    if request.is_large:
        carry_out_later.enqueue(request.pk)
    else:
        carry_out(request.pk)


def confirm(request: RunRequest, *, user: User) -> bool:
    """Return whether this was the word that set a previewed request going; the second of two is not."""
    mine = _move(request, [State.READY], State.QUEUED, phase=Phase.RUN, confirmed_by=user)
    if mine:
        submit(request)
    return mine


def try_again(request: RunRequest) -> bool:
    """Return whether the preview is made again: of one that was refused, of other files, or that ended before it ran."""
    broken = [State.REFUSED, State.FAILED, State.INTERRUPTED]
    if request.kind == Kind.REPLAY:  # it has no preview: it waits for the word again
        return _move(request, broken, State.READY, phase=Phase.PREVIEW)
    of_run = request.run or request.of_run  # an import that was interrupted goes on
    anew: dict[str, Any] = {"phase": Phase.PREVIEW, "of_run": of_run, "preview": {}, "summary": {}, "sha256": {}}
    mine = _move(request, [*broken, State.READY], State.QUEUED, **anew)
    if mine:
        submit(request)
    return mine


def cancel(request: RunRequest) -> bool:
    """Return whether the request was called off: not while it is worked on."""
    mine = _move(request, OPEN, State.CANCELLED, preview={})
    if mine:
        _forget_upload(request)
    return mine


def _forget_upload(request: RunRequest) -> None:
    """Delete the upload of a request that is over, unless another one, such as "Import again", still wants it."""
    waiting = RunRequest.objects.filter(data_dir=request.data_dir, state__in=[*OPEN, State.WORKING])
    if not waiting.exclude(pk=request.pk).exists():
        forget(request.data_dir)


def is_at_work(request: RunRequest) -> bool:
    """Return whether a living process works on a request."""
    return is_taken(_LOCK | request.pk)


def settle(request: RunRequest) -> None:
    """Mark a request as interrupted whose worker died without a word; its lock died with it."""
    if request.state == State.WORKING and not is_at_work(request):
        _move(request, [State.WORKING], State.INTERRUPTED, error="its process ended without a word")
        request.refresh_from_db()


def _move(request: RunRequest, expected: Sequence[RunRequest.State], state: RunRequest.State, **values: Any) -> bool:
    """Return whether a request was in one of these states, and is now in that one."""
    values = {"error": "", **values, "state": state, "state_since": timezone.now()}
    is_mine = RunRequest.objects.filter(pk=request.pk, state__in=expected).update(**values) == 1
    if is_mine:
        for name, value in values.items():
            setattr(request, name, value)
    return is_mine


# carrying out


def carry_out(request_id: int) -> None:
    """Do what is queued, if it is; whatever comes of it stands in the request's row, and no error leaves this."""
    try:
        with advisory_lock(_LOCK | request_id, name="request"):
            request = RunRequest.objects.select_related("asked_by", "confirmed_by", "run", "of_run").get(pk=request_id)
            if _move(request, [State.QUEUED], State.WORKING):
                with _told(request):
                    _DOERS[request.phase](request)
    except (LockTakenError, RunRequest.DoesNotExist):
        return  # another worker is at it


@contextmanager
def _told(request: RunRequest) -> Iterator[None]:
    """Write what ended the work into the request's row, in words that hold no value."""
    try:
        yield
    except LockHeldError as error:
        _end(request, State.READY if _may_wait(request) else State.REFUSED, str(error))
    except ChangedFileError as error:
        _end(request, State.REFUSED, str(error), phase=Phase.PREVIEW, preview={})
    except (EtlError, KeysDoNotFitError) as error:
        is_resumable = isinstance(error, EtlError) and error.exit_code == ExitCode.INTERRUPTED
        _end(request, State.INTERRUPTED if is_resumable else _refusal_of(request), str(error))
    except (OperationalError, InterfaceError) as error:
        log.exception("database lost", code="database-lost")
        _end(request, State.INTERRUPTED, f"the database is away ({kind_of(error)}); mend that, then try again")
    except DatabaseError as error:
        log.exception("database refused", code="database-refused")
        _end(request, _refusal_of(request), f"the database refused it ({kind_of(error)}); look into the log")
    except Exception as error:
        log.exception("request failed", code="request-failed")
        _end(request, _refusal_of(request), f"it failed ({type(error).__name__}); look into the log")
    except BaseException:  # Ctrl-C at the worker
        _end(request, State.INTERRUPTED, "its process was told to end")
        raise


def _may_wait(request: RunRequest) -> bool:
    return request.phase == Phase.RUN


def _refusal_of(request: RunRequest) -> RunRequest.State:
    return State.FAILED if request.phase == Phase.RUN else State.REFUSED


def _end(request: RunRequest, state: RunRequest.State, error: str = "", **values: Any) -> None:
    """Write down how the work ended; where even that fails, settle() finds the lock free."""
    if not connection.in_atomic_block:
        connection.close()  # it may be broken; the pool gives a sound one
    _move(request, [State.WORKING], state, error=error.replace("\0", "?"), **values)


def _preview(request: RunRequest) -> None:
    """Rehearse what was asked for, and keep what would come of it."""
    _refuse_who_may_not(request.asked_by)
    if request.kind == Kind.UNDO:
        assert request.of_run_id is not None
        undone = undo_import(request.of_run_id, user=request.asked_by, dry_run=True)
        shown = preview_undo(undone.codes_removed, undone.codes_restored, undone.kept)
        _end(request, State.READY, preview=shown, previewed_at=timezone.now())
        return
    previews: list[dict[str, Any]] = []
    summary = import_facilities(
        _options(request, request.asked_by, dry_run=True), look=lambda run: previews.append(preview_run(run))
    )
    sha256 = {name: row["sha256"] for name, row in summary["sources"].items() if row["sha256"]}
    is_good = summary["status"] != ImportRun.Status.FAILED
    _end(
        request,
        State.READY if is_good else State.REFUSED,
        "" if is_good else "; ".join(refusals(summary)),
        preview=previews[-1],
        previewed_at=timezone.now(),
        summary=summary | {"rejects": [], "missing": [], "findings": []},  # the preview lists them
        sha256=sha256,
    )


def _run(request: RunRequest) -> None:
    """Do what was confirmed, in the name of who confirmed it."""
    user = request.confirmed_by or request.asked_by
    _refuse_who_may_not(user)
    if request.kind == Kind.UNDO:
        assert request.of_run_id is not None
        undone = undo_import(request.of_run_id, user=user)
        _done(request, undone.undo_run)
    elif request.kind == Kind.REPLAY:
        assert request.of_run_id is not None
        summary = replay(RejectFilter(run=request.of_run_id), user=user, progress=_names_run(request))
        _done(request, summary["run"])
    else:
        _refuse_other_files(request)
        summary = import_facilities(_options(request, user, dry_run=False), progress=_names_run(request))
        _done(request, summary["run"])
        if summary["status"] == ImportRun.Status.SUCCEEDED:
            _forget_upload(request)


def _done(request: RunRequest, run: int | None) -> None:
    """Close a request; what its preview said of places is not needed any more."""
    _end(request, State.DONE, run_id=run, preview={"counts": request.preview.get("counts", {}), "items": []})


def _names_run(request: RunRequest) -> Callable[[str], None]:
    """Return a listener that writes down which run works for the request: under the import lock only one is running."""

    def listen(_: str) -> None:
        if request.run_id is None or request.run_id == request.of_run_id:
            run = ImportRun.objects.filter(status=ImportRun.Status.RUNNING).first()
            request.run = run
            RunRequest.objects.filter(pk=request.pk).update(run=run)

    return listen


def _options(request: RunRequest, user: User, *, dry_run: bool) -> ImportOptions:
    return ImportOptions(
        data_dir=Path(request.data_dir),
        sources=tuple(request.sources),
        dry_run=dry_run,
        batch_size=settings.ETL_BATCH_SIZE,
        workers=settings.ETL_WORKERS if request.is_large else 1,
        allow_shrink=request.allow_shrink,
        on_drift=OnDrift.WARN if request.allow_drift else OnDrift.FAIL,
        deactivate_missing=request.deactivate_missing,
        resume=not dry_run and request.of_run is not None and request.of_run.status in _RESUMABLE,
        user=user,
        sha256={} if dry_run else request.sha256,
    )


def _refuse_other_files(request: RunRequest) -> None:
    """Raise ChangedFileError where a file is not the one that was previewed, before anything begins."""
    for source, previewed in request.sha256.items():
        found = sha256_of(source, Path(request.data_dir))
        if found != previewed:
            what = "is not there any more" if not found else "is not the one that was previewed"
            raise ChangedFileError(f"the file of {source} {what}; nothing was imported; ask for a new preview")


def _refuse_who_may_not(user: User) -> None:
    if not may(user, Action.TRANSFORM):
        raise NotAllowedError(f"{user} may not import any more")


_DOERS: Mapping[str, Callable[[RunRequest], None]] = {Phase.PREVIEW: _preview, Phase.RUN: _run}
