"""The import lock, and the fence for what a holder that lost it left running."""

import io
import re
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from core.state import state_hash
from etl.console import run_with_exit_code
from etl.errors import LockHeldError, SupersededError
from etl.lock import LOCK, fenced, import_lock
from etl.models import ImportRun, SourceRecordVersion
from tests.faults.world import (
    PATIENCE,
    Undisturbed,
    all_or_sample,
    arguments_for,
    assert_nothing_half_written,
    assert_recovered,
    bystander,
    command_in_child,
    gate,
    import_delivery,
    in_child,
    left_behind,
    lock_states,
    wait_for,
    wait_until_alone,
)

pytestmark = pytest.mark.usefixtures("transactional_db")

FORK = get_context("fork")
TERMINATE_LOCK = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'gvrc_etl_pipeline lock %'
"""


@pytest.mark.parametrize("round_", all_or_sample(range(10), [0]))
def test_of_eight_imports_started_at_once_one_works_and_seven_end_with_3(
    round_: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(8)]
    with gate() as closed:
        children = [command_in_child(log, *arguments_for(undisturbed.folder)) for log in logs]
        wait_for(lambda: sum(child.exitcode is not None for child in children) == 7)
        closed.open()
        for child in children:
            child.join()
    wait_until_alone()
    assert sorted(child.exitcode for child in children) == [0, 3, 3, 3, 3, 3, 3, 3]
    run = ImportRun.objects.get()
    worker = next(child for child in children if child.exitcode == 0)
    assert (run.status, run.pid) == ("succeeded", worker.pid)
    since = f"{timezone.localtime(run.started_at):%Y-%m-%d %H:%M:%S}"
    holder = f"run {run.pk} on {socket.gethostname()}, pid {run.pid}, since {since}"
    refusals = [log.read_text().strip() for log, child in zip(logs, children, strict=True) if child.exitcode == 3]
    assert set(refusals) == {f"another import holds the lock: {holder}; wait for it to end"}
    assert_recovered(run.summary, undisturbed)


def test_a_dry_run_that_holds_the_lock_is_named_by_its_session(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with gate() as closed:
        child = command_in_child(tmp_path / "log", *arguments_for(undisturbed.folder, "--dry-run"))
        closed.wait_until_reached()
        with pytest.raises(LockHeldError) as refusal:
            import_delivery(undisturbed.folder)
    child.join()
    assert child.exitcode == 0
    assert re.search(rf"a dry run on {socket.gethostname()}, pid {child.pid}, since \d{{4}}-", str(refusal.value))


def test_the_lock_dies_with_its_holder(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with gate() as closed:
        child = command_in_child(tmp_path / "log", *arguments_for(undisturbed.folder))
        closed.wait_until_reached()
        child.kill()
        child.join()
    wait_until_alone()
    assert_nothing_half_written(undisturbed)
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)
    dead = ImportRun.objects.order_by("pk").first()
    assert (dead.pid, dead.status, dead.error) == (child.pid, "interrupted", "its process ended without a word")


def test_the_lock_is_free_as_soon_as_its_holder_let_go() -> None:
    for _ in range(40):
        with import_lock():
            pass


# the fence


def mark_interrupted(run: ImportRun) -> None:
    ImportRun.objects.filter(pk=run.pk).update(status="interrupted")


def resume_elsewhere(run: ImportRun) -> None:
    ImportRun.objects.filter(pk=run.pk).update(attempt=run.attempt + 1)


@pytest.mark.parametrize(
    ("supersede", "step"),
    all_or_sample(
        list(product([mark_interrupted, resume_elsewhere], ["pass 1", "pass 2", "deactivate"])),
        [(mark_interrupted, "pass 1"), (resume_elsewhere, "pass 2"), (mark_interrupted, "deactivate")],
    ),
)
def test_a_run_that_another_one_took_over_writes_no_further_batch(
    supersede: Callable[[ImportRun], Any], step: str, undisturbed: Undisturbed, undisturbed_change: Undisturbed
) -> None:
    import_delivery(undisturbed.folder)
    states = []

    def progress(name: str) -> None:
        if name == step:
            run = ImportRun.objects.get(status="running")
            supersede(run)
            states.append((state_hash(), SourceRecordVersion.objects.count()))

    with pytest.raises(SupersededError, match="was taken for dead, and another one began; nothing more is written"):
        import_delivery(undisturbed_change.folder, deactivate_missing=True, progress=progress)
    assert states == [(state_hash(), SourceRecordVersion.objects.count())]
    ImportRun.objects.filter(status="running").update(status="interrupted")  # as its successor would
    again = import_delivery(undisturbed_change.folder, deactivate_missing=True)
    assert_recovered(again, undisturbed_change)


def test_the_fence_lets_only_the_running_attempt_of_a_run_through(undisturbed: Undisturbed) -> None:
    import_delivery(undisturbed.folder)
    run = ImportRun.objects.get()
    for status, attempt, is_open in (("running", 1, True), ("running", 2, False), ("interrupted", 1, False)):
        ImportRun.objects.update(status=status, attempt=attempt)
        with nullcontext() if is_open else pytest.raises(SupersededError), fenced(run):
            pass


# the lock's connection alone is lost


def test_a_run_that_lost_its_lock_ends_with_5_once_another_one_began(undisturbed: Undisturbed) -> None:
    at_pass_2, may_go_on = FORK.Event(), FORK.Event()

    def progress(name: str) -> None:
        if name == "pass 2":
            at_pass_2.set()
            may_go_on.wait(PATIENCE)

    child = in_child(_import_and_exit, undisturbed.folder, progress)
    assert at_pass_2.wait(PATIENCE)
    lose_lock()
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)
    may_go_on.set()
    child.join()
    assert child.exitcode == 5
    assert left_behind() == undisturbed.left
    assert list(ImportRun.objects.values_list("status", flat=True)) == ["succeeded", "interrupted"]


def test_no_other_run_begins_while_a_batch_of_one_that_lost_its_lock_is_being_written(undisturbed: Undisturbed) -> None:
    with gate() as closed:
        child = in_child(_import_and_exit, undisturbed.folder, print)
        closed.wait_until_reached()
        lose_lock()
        with pytest.raises(LockHeldError, match="a batch of it is still being written; try again in a minute"):
            import_delivery(undisturbed.folder)
        closed.open()
        child.join()
    wait_until_alone()
    assert child.exitcode == 0
    assert_recovered(import_delivery(undisturbed.folder), undisturbed)


def _import_and_exit(folder: Path, progress: Callable[[str], Any]) -> None:
    def work() -> int:
        import_delivery(folder, progress=progress)
        return 0

    sys.exit(run_with_exit_code(work, io.StringIO()))


def lose_lock() -> None:
    with bystander() as other:
        assert other.execute(TERMINATE_LOCK).fetchall() == [(True,)]
        wait_for(lambda: not lock_states(other, LOCK))
