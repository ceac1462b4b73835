"""Workers: the same registry however many there are and wherever they work, and what happens when one dies."""

import gc
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from django.conf import settings
from django.db import connection

from benchmarks.records import write_sources
from core.key_guard import KeysDoNotFitError
from etl.chunks import read_chunk
from etl.counties import CountyJob, load_county
from etl.county import Surroundings, pending_counties, read_surroundings
from etl.errors import ClusterError, SupersededError, WorkerDiedError, WorkerDiffersError
from etl.fingerprint import pipeline_fingerprint
from etl.models import DuplicatePair, ImportRun, SourceRecordVersion
from etl.pairs import Separations
from etl.pipeline import ImportOptions, import_facilities
from etl.reference import read_reference
from etl.sources import SOURCES
from etl.workers import ATTEMPTS, CODE, ProcessExecutor, open_crew, run_job
from facilities.models import Facility
from tests.faults.test_kills import manage, spoken, url_of_test_database
from tests.faults.world import (
    PATIENCE,
    Left,
    all_or_sample,
    empty_registry,
    in_full,
    left_behind,
    wait_for,
    wait_until_alone,
)

pytestmark = pytest.mark.usefixtures("transactional_db")
RECORDS = 1_200


@pytest.fixture(autouse=True)
def worth_it(settings: Any) -> None:
    settings.ETL_WORTH_WORKERS = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("delivery"), RECORDS).folder


@dataclass(frozen=True)
class Outcome:
    """What an import left: the registry, the questions to a person, the findings, and the totals."""

    left: Left
    pairs: frozenset[tuple[Any, ...]]
    findings: frozenset[tuple[str, str]]
    totals: dict[str, int]


def outcome_of(summary: dict[str, Any]) -> Outcome:
    pair = ("first__source", "first__key", "second__source", "second__key")
    pairs = (
        tuple(sorted([row[:2], row[2:4]])) + row[4:] for row in DuplicatePair.objects.values_list(*pair, "decision")
    )
    findings = SourceRecordVersion.objects.values_list("source_record__key", "findings")
    return Outcome(
        left_behind(), frozenset(pairs), frozenset((key, repr(found)) for key, found in findings), summary["totals"]
    )


def imported(folder: Path, workers: int, **options: Any) -> dict[str, Any]:
    summary = import_facilities(ImportOptions(data_dir=folder, workers=workers, **options))
    assert summary["status"] == "succeeded"
    return summary


_alone: dict[Path, Outcome] = {}


@pytest.fixture
def alone(folder: Path) -> Outcome:
    """Return what an import without workers leaves; the registry is empty again."""
    if folder not in _alone:
        _alone[folder] = outcome_of(imported(folder, 1))
        empty_registry()
    return _alone[folder]


@pytest.mark.parametrize("workers", all_or_sample([2, 4], [4]))
def test_workers_leave_the_same_registry(workers: int, folder: Path, alone: Outcome) -> None:
    summary = imported(folder, workers)
    assert summary["workers"]["count"] == workers
    assert summary["workers"]["sum_peak_rss_mb"] > summary["workers"]["peak_rss_mb"] > 0
    assert outcome_of(summary) == alone

    again = imported(folder, workers)
    assert again["totals"]["unchanged"] + again["totals"]["rejected"] == again["totals"]["read"]
    assert left_behind() == alone.left


def write_turned(folder: Path, into: Path) -> Path:
    """Return a delivery some time later: registration numbers went round, some claimed twice, and places moved county."""
    shutil.copytree(folder, into)
    path = into / "regional.json"
    delivery = json.loads(path.read_text())
    lists = [county["facilities"] for region in delivery["regions"] for county in region["counties"]]
    places = [place for county in lists for place in county]
    numbers = [place["registration_number"] for place in places]
    for number, place in enumerate(places):
        place["registration_number"] = numbers[number - (11 if number % 5 else 12)]
    for one, other in pairwise(lists):
        other.append(one.pop())
    path.write_text(json.dumps(delivery))
    return into


@in_full
def test_neither_workers_nor_batches_matter_where_numbers_go_round_and_places_move(
    folder: Path, tmp_path: Path
) -> None:
    later = write_turned(folder, tmp_path / "later")
    outcomes = []
    for workers, batch_size in ((1, 50), (1, 7), (2, 50)):
        imported(folder, 1)
        summary = imported(later, workers, batch_size=batch_size)
        assert summary["totals"]["updated"] > 100
        assert summary["workers"]["count"] == (workers if workers > 1 else 0)
        outcome = outcome_of(summary)
        # a number that is free early takes one change, one that is settled afterwards two
        outcomes.append(replace(outcome, left=replace(outcome.left, audit=Counter())))
        empty_registry()
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] == outcomes[2]


def test_a_small_import_starts_no_worker(folder: Path, settings: Any) -> None:
    settings.ETL_WORTH_WORKERS = 10 * RECORDS
    assert imported(folder, 4)["workers"]["count"] == 0


@in_full
def test_a_dry_run_reads_with_workers_and_loads_alone(folder: Path, alone: Outcome) -> None:
    summary = imported(folder, 2, dry_run=True)
    assert summary["workers"]["count"] == 2
    assert summary["totals"] == alone.totals
    assert not Facility.objects.exists()


@pytest.mark.parametrize("kept", all_or_sample([0, 20], [0]))
def test_what_is_read_in_small_portions_and_twice_leaves_the_same_registry(
    kept: int, folder: Path, alone: Outcome, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ETL_MAX_MEMORY_MB = 1
    monkeypatch.setattr("etl.county.KEPT", kept)
    assert outcome_of(imported(folder, 1)) == alone


@contextmanager
def killing(doomed: Callable[[], list[psutil.Process]], *, when: Callable[[], Any]) -> Iterator[list[int]]:
    """Kill a process once something has happened; yields the pids that were killed."""
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not killed:
            with suppress(psutil.Error):
                if (processes := doomed()) and when():
                    processes[0].kill()
                    killed.append(processes[0].pid)
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        thread.join()


def own_workers() -> list[psutil.Process]:
    """Return the worker processes of this process, without multiprocessing's own helper."""
    children = psutil.Process().children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def has_loaded(records: int) -> bool:
    try:
        return Facility.objects.count() >= records
    finally:
        connection.close()


def test_a_worker_that_dies_costs_its_county_only(
    folder: Path, alone: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    with killing(own_workers, when=partial(has_loaded, 100)) as killed:
        summary = imported(folder, 2)
    assert killed
    assert "worker died" in caplog.text
    assert summary["workers"]["count"] == 3  # its successor is the third
    assert outcome_of(summary) == alone
    assert ImportRun.objects.get(pk=summary["run"]).attempt == 1


@in_full
def test_a_worker_that_dies_while_it_reads_costs_its_chunk_only(folder: Path, alone: Outcome) -> None:
    with killing(own_workers, when=lambda: True) as killed:
        summary = imported(folder, 2)
    assert killed
    assert outcome_of(summary) == alone


def _die() -> None:
    os._exit(1)


def _answer(number: int) -> int:
    return number


@in_full
def test_a_job_that_kills_every_worker_is_given_up_and_the_others_are_done() -> None:
    with open_crew(2) as crew:
        answers = crew.submit_all([partial(_answer, 1), _die, partial(_answer, 2)])
        got: list[int] = []
        with pytest.raises(WorkerDiedError, match=f"{ATTEMPTS} worker processes died"):
            got.extend(answers)
        assert sorted(got) in ([1, 2], [1], [2], [])
        assert list(crew.in_order(partial(_answer, number) for number in range(50))) == list(range(50))


def test_what_a_worker_raises_is_raised_here() -> None:
    with open_crew(2) as crew, pytest.raises(ZeroDivisionError):
        list(crew.in_order([partial(divmod, 1, 0)]))


def test_a_worker_with_other_code_or_other_places_refuses_to_work() -> None:
    job = pickle.dumps(partial(_answer, 1))
    assert run_job(CODE, job).result == 1
    with pytest.raises(WorkerDiffersError, match="other code"):
        run_job("of last month", job)
    with pytest.raises(WorkerDiffersError, match="other places or lookups"):
        read_chunk([], source="regional", fingerprint="of another database")


def test_a_worker_that_lives_on_looks_at_its_keys_for_each_chunk(settings: Any) -> None:
    right = settings.FIELD_KEYS
    fingerprint = pipeline_fingerprint(read_reference())
    assert read_chunk([], source="regional", fingerprint=fingerprint) == []
    settings.FIELD_KEYS = "a key that was rotated out while the worker lived"
    with pytest.raises(KeysDoNotFitError):
        read_chunk([], source="regional", fingerprint=fingerprint)
    settings.FIELD_KEYS = right


def test_a_county_is_written_only_for_the_attempt_that_gave_it_away(folder: Path) -> None:
    def end(step: str) -> None:
        if step == "pass 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_facilities(ImportOptions(data_dir=folder), progress=end)
    ImportRun.objects.update(status="running", attempt=2)
    run = ImportRun.objects.get()
    job = partial(
        CountyJob,
        code=next(iter(pending_counties(run, list(SOURCES)))),
        run=run.pk,
        sources=tuple(SOURCES),
        fingerprint=pipeline_fingerprint(read_reference()),
        batch_size=50,
        around=read_surroundings(),
    )
    with pytest.raises(SupersededError):
        load_county(job(attempt=1))
    assert not Facility.objects.exists()
    assert load_county(job(attempt=2)) > 0
    assert Facility.objects.exists()


def test_the_executor_ends_its_processes() -> None:
    executor = ProcessExecutor(1, gc.enable)
    assert executor.submit(abs, -3).result() == 3
    (worker,) = own_workers()
    future = executor.submit(time.sleep, PATIENCE)
    executor.kill()
    with pytest.raises((BrokenProcessPool, CancelledError)):
        future.result(PATIENCE)
    wait_for(lambda: not worker.is_running())


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def arguments(folder: Path, *more: str) -> list[str]:
    return ["import_facilities", "--data-dir", str(folder), "--workers", "2", *more]


@pytest.fixture
def worth_it_for_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_WORTH_WORKERS", "50")


@pytest.mark.parametrize("number", all_or_sample([signal.SIGKILL, signal.SIGTERM, signal.SIGINT], [signal.SIGKILL]))
@pytest.mark.usefixtures("worth_it_for_commands")
def test_workers_do_not_outlive_their_parent(number: signal.Signals, folder: Path, alone: Outcome) -> None:
    process = manage(url_of_test_database(), *arguments(folder))
    wait_for(lambda: has_loaded(100))
    workers = workers_of(process)
    assert len(workers) == 2
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    wait_for(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))
    if number != signal.SIGKILL:
        assert process.returncode == 5
        assert len(spoken(err)) == 1
    wait_until_alone()
    summary = imported(folder, 2, resume=True)
    assert summary["totals"] == alone.totals
    assert left_behind() == alone.left


# a cluster


@contextmanager
def cluster(folder: Path, *, workers: int) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """Give a real Dask scheduler on this machine, and its processes: its own first, then its workers'.

    They have only their environment.
    """
    address = folder / "scheduler.json"
    own = {
        "DJANGO_SETTINGS_MODULE": "core.settings.test", "DATABASE_URL": url_of_test_database(),
        "PYTHONPATH": str(settings.BASE_DIR), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s",
    }  # fmt: skip

    def start(*words: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "distributed.cli." + words[0], "--scheduler-file", str(address), *words[1:]]
        return subprocess.Popen(command, cwd=folder, env=os.environ | own, stderr=subprocess.DEVNULL)

    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    crew: list[subprocess.Popen[bytes]] = []
    try:
        wait_for(address.exists)
        words = ("dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        crew += [start(*words) for _ in range(workers)]

        def ready() -> bool:
            with suppress(ValueError):
                return len(_workers_known(json.loads(address.read_text())["address"])) == workers
            return False

        wait_for(ready)
        yield json.loads(address.read_text())["address"], [scheduler, *crew]
    finally:
        for process in [*crew, scheduler]:
            process.kill()
            process.wait()


def _workers_known(url: str) -> dict[str, Any]:
    with Client(url, timeout=PATIENCE, set_as_default=False) as client:
        workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
        return workers


def test_a_dask_cluster_leaves_the_same_registry(folder: Path, alone: Outcome, tmp_path: Path, settings: Any) -> None:
    with cluster(tmp_path, workers=2) as (url, _):
        settings.ETL_CLUSTER_URL = url
        summary = imported(folder, 2)
    assert summary["workers"]["count"] == 2
    assert outcome_of(summary) == alone


@in_full
def test_a_worker_of_a_cluster_that_dies_costs_its_county_only(
    folder: Path, alone: Outcome, tmp_path: Path, settings: Any
) -> None:
    with cluster(tmp_path, workers=2) as (url, (_, worker, _)):
        settings.ETL_CLUSTER_URL = url
        with killing(lambda: [psutil.Process(worker.pid)], when=partial(has_loaded, 100)) as killed:
            summary = imported(folder, 2)
    assert killed
    assert outcome_of(summary) == alone


@in_full
def test_an_import_whose_cluster_is_lost_can_be_resumed_without_it(
    folder: Path, alone: Outcome, tmp_path: Path, settings: Any
) -> None:
    with cluster(tmp_path, workers=2) as (url, (scheduler, *_)):
        settings.ETL_CLUSTER_URL = url
        with (
            killing(lambda: [psutil.Process(scheduler.pid)], when=partial(has_loaded, 100)) as killed,
            pytest.raises(WorkerDiedError, match="the cluster lost its workers, or its scheduler"),
        ):
            imported(folder, 2)
    assert killed
    assert ImportRun.objects.get().status == "interrupted"
    settings.ETL_CLUSTER_URL = ""
    assert imported(folder, 1, resume=True)["totals"] == alone.totals
    assert left_behind() == alone.left


@in_full
def test_a_cluster_without_a_worker_left_ends_the_run_and_it_is_resumed(
    folder: Path, alone: Outcome, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.workers.PATIENCE_S", 2)
    with cluster(tmp_path, workers=1) as (url, (_, worker)):
        settings.ETL_CLUSTER_URL = url
        with (
            killing(lambda: [psutil.Process(worker.pid)], when=partial(has_loaded, 100)) as killed,
            pytest.raises(WorkerDiedError, match="the cluster lost its workers"),
        ):
            imported(folder, 2)
    assert killed
    assert ImportRun.objects.get().status == "interrupted"
    settings.ETL_CLUSTER_URL = ""
    assert outcome_of(imported(folder, 1, resume=True)) == alone


def test_a_worker_of_another_database_is_refused_in_one_line() -> None:
    around = Surroundings(frozenset(), Separations(frozenset(), frozenset()), frozenset())
    job = CountyJob("047", run=10**9, attempt=1, sources=(), fingerprint="", batch_size=50, around=around)
    with pytest.raises(WorkerDiffersError, match="finds no run 1000000000"):
        load_county(job)


@in_full
def test_no_scheduler_or_no_worker_is_one_clear_error(folder: Path, tmp_path: Path, settings: Any) -> None:
    settings.ETL_CLUSTER_URL = "tcp://127.0.0.1:9"
    with pytest.raises(ClusterError, match="no Dask scheduler answers"):
        imported(folder, 2)
    with cluster(tmp_path, workers=0) as (url, _):
        settings.ETL_CLUSTER_URL = url
        with pytest.raises(ClusterError, match="has no workers"):
            imported(folder, 2)
    assert not ImportRun.objects.exists()
