"""import_facilities(): the table of contents of a record's way from file to row. Nothing else knows the order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError

from core.access import log_access
from core.errors import ExitCode
from core.key_guard import check_keys
from core.models import User
from core.statistics import refresh_statistics
from etl.errors import EtlError, UnknownSourceError
from etl.fingerprint import pipeline_fingerprint
from etl.ledger import stage_source
from etl.load import load_pending
from etl.lock import import_lock
from etl.models import ImportRun, SourceFile
from etl.reference import read_reference
from etl.resilience import with_retries
from etl.runs import close_run, open_run, rehearse, resume_run, running
from etl.soundness import SoundFiles, find_sound_sources
from etl.sources import IMPORTED, SOURCES, Source
from etl.stages.drift import OnDrift
from etl.stages.extract import read_records
from etl.stages.records import RawRecord, Reference
from etl.summary import Progress, RunState, summarise
from etl.withdraw import count_doubtful, withdraw_missing
from etl.workers import open_crew

log = structlog.get_logger(__name__)
MUCH = 20  # one in so many records
Look = Callable[[ImportRun], object]  # told of the run when it is closed, while what it wrote still stands


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What one run is asked to do; `sources` empty means all seven, and not an export."""

    data_dir: Path
    sources: tuple[str, ...] = ()
    dry_run: bool = False
    batch_size: int = 50
    workers: int = 1
    allow_shrink: bool = False
    on_drift: OnDrift = OnDrift.WARN
    deactivate_missing: bool = False
    resume: bool = False
    user: User | None = None  # who asks for it in the browser; a command works as the import user
    sha256: Mapping[str, str] = field(
        default_factory=dict
    )  # source -> its files, where a person saw a preview: these and no others are taken

    def as_stored(self) -> dict[str, Any]:
        """Return what tells one import from another, as ImportRun keeps it: not how fast, and not whether resumed."""
        data_dir = str(self.data_dir.absolute()).encode("utf-8", "backslashreplace").decode()
        what = ("dry_run", "allow_shrink", "deactivate_missing")
        chosen = {name: getattr(self, name) for name in what}
        return {"data_dir": data_dir, "sources": list(self.sources), **chosen}


def import_facilities(
    options: ImportOptions, *, progress: Progress = lambda _: None, look: Look = lambda _: None
) -> dict[str, Any]:
    """Return the run's summary (the object of `import_facilities --json`); raises LockHeldError beside another import.

    A dry run is the same two passes in one transaction that is rolled back, once `look` has seen what came of it.
    """
    sources = _chosen_sources(options.sources)
    with import_lock():
        with_retries(check_keys)  # again: a rotation may have ended since this process began
        if options.dry_run:
            return rehearse(partial(_run, options, sources, progress, look)) | {"run": None}
        return _run(options, sources, progress, look)


def _run(options: ImportOptions, sources: Sequence[Source], progress: Progress, look: Look) -> dict[str, Any]:
    with open_crew(options.workers) as crew:
        state = RunState(_open_or_resume(options), crew=crew)
        summary = _run_with(state, options, sources, progress)
        look(state.run)
        return summary


def _run_with(state: RunState, options: ImportOptions, sources: Sequence[Source], progress: Progress) -> dict[str, Any]:
    if options.resume and state.run.attempt == 1:
        state.warnings.append(_why_not_resumed(state.run))
    with running(state.run):
        with state.step("reference", progress):
            reference = with_retries(read_reference)
        with state.step("soundness", progress):
            sound = find_sound_sources(
                sources,
                data_dir=options.data_dir,
                allow_shrink=options.allow_shrink,
                on_drift=options.on_drift,
                previewed=options.sha256,
                state=state,
            )
        with state.step("pass 1", progress):
            _stage(sound, state, reference)
        with state.step("pass 2", progress):
            load_pending(
                run=state.run,
                sources=list(state.read),
                reference=reference,
                batch_size=options.batch_size,
                crew=state.crew,
            )
        if options.deactivate_missing:
            with state.step("deactivate", progress):
                _deactivate(state, options)
        with state.step("reconcile", progress):
            names = [source.name for source in sources]
            summary = with_retries(partial(summarise, state, names, dry_run=options.dry_run))
            reasons = "\n".join(state.errors.values())
            with_retries(partial(close_run, state.run, status=summary["status"], error=reasons, summary=summary))
            note = partial(
                log_access,
                state.run.started_by,
                "import",
                f"run:{state.run.pk}",
                reason="asked for in the browser" if options.user else "",
                count=summary["totals"]["read"],
            )
            with_retries(note)
    if _is_much(summary["totals"]):
        with suppress(DatabaseError, InterfaceError):  # the run is closed and good; autovacuum comes a minute later
            refresh_statistics()
    return summary


def _is_much(totals: Mapping[str, int]) -> bool:
    """Return whether a run changed so much that the planner should look at the tables again."""
    return (totals["created"] + totals["updated"]) * MUCH > totals["read"]


def _chosen_sources(names: Sequence[str]) -> list[Source]:
    for name in names:
        if name not in IMPORTED:
            message = f"there is no source '{name}': choose from {', '.join(IMPORTED)}"
            raise UnknownSourceError(message)
    return [source for source in IMPORTED.values() if source.name in (names or SOURCES)]


def _open_or_resume(options: ImportOptions) -> ImportRun:
    stored = options.as_stored()
    run = with_retries(partial(resume_run, options=stored)) if options.resume else None
    if run:
        log.info("run resumed", run=run.pk, attempt=run.attempt)
        return run
    return open_run(ImportRun.Kind.IMPORT, user=options.user or with_retries(User.import_user), options=stored)


def _why_not_resumed(run: ImportRun) -> str:
    """Return what a person should know who asked to resume and got a new run."""
    earlier = ImportRun.objects.filter(pk__lt=run.pk).exclude(kind=ImportRun.Kind.REVIEW)
    last = with_retries(earlier.first)
    if last and last.kind == ImportRun.Kind.IMPORT and last.status == ImportRun.Status.INTERRUPTED:
        did = last.options
        sources = ", ".join(did.get("sources", [])) or "all sources"
        return f"run {last.pk} was not resumed but replaced: it imported {sources} of {did.get('data_dir')}, with other options"
    return "there was nothing to resume: this is a new run"


def _stage(sound: Mapping[str, SoundFiles], state: RunState, reference: Reference) -> None:
    """Run pass 1 for each sound source; one whose file changes underneath is refused whole."""
    fingerprint = pipeline_fingerprint(reference)
    for name, files in sound.items():
        try:
            state.read[name] = with_retries(
                partial(_stage_source, IMPORTED[name], files, state, reference, fingerprint)
            )
        except EtlError as error:
            if error.exit_code != ExitCode.FAILURE:  # the run cannot go on, not only this source
                raise
            state.refuse(name, error)
        else:
            log.info("source staged", source=name, records=state.read[name])


def _stage_source(source: Source, files: SoundFiles, state: RunState, reference: Reference, fingerprint: str) -> int:
    return stage_source(
        _stream(source, files),  # opened anew with each attempt
        run=state.run,
        source=source,
        reference=reference,
        fingerprint=fingerprint,
        crew=state.crew,
    )


def _stream(source: Source, files: SoundFiles) -> Iterator[tuple[SourceFile, RawRecord]]:
    for row, sound in files:
        for raw in read_records(sound, source=source.name, layout=source.layout):
            yield row, raw


def _deactivate(state: RunState, options: ImportOptions) -> None:
    """Withdraw what is missing, unless a source was refused: its records cannot be told from missing ones."""
    if state.errors:
        state.warnings.append("nothing was deactivated, because a source was refused")
        return
    if doubtful := with_retries(partial(count_doubtful, state.run, sources=list(state.read))):
        state.warnings.append(
            f"{doubtful} missing records stay in service: new rejects may be them; mend those, then deactivate again"
        )
    state.deactivated = withdraw_missing(state.run, sources=list(state.read), batch_size=options.batch_size)
