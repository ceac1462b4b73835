"""Runs one side of a benchmark in a process of its own, so that no rival finds warm caches, and memory is its own."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import Watch

ROOT = Path(__file__).resolve().parent.parent
LOOK_EVERY = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Job:
    """What a child process does: the name of one of benchmarks.child.WORK, on which delivery and how."""

    work: str
    folder: str
    sources: tuple[str, ...]
    batch_size: int = 50
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: its result with `seconds`, the peak of its largest process and of all together in MB."""

    result: dict[str, Any]
    peak_mb: float
    together_mb: float
    processes: int

    @property
    def seconds(self) -> float:
        """The seconds of the work itself, without starting Python and Django."""
        return float(self.result["seconds"])


class JobError(Exception):
    """A side of a benchmark failed; the message is what it wrote to stderr last."""


def run(job: Job) -> Done:
    """Return what became of a job; raises JobError."""
    command = [sys.executable, "-m", "benchmarks.child", json.dumps(asdict(job))]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=errors)  # noqa: S603 - every word is ours
        watch = Watch(process.pid)
        try:
            code = _wait(process, watch)
        finally:
            process.kill()  # whatever ends the wait, Ctrl-C included: nothing goes on writing
        out.seek(0)
        errors.seek(0)
        if code:
            raise JobError(f"{job.work} ended with {code}: {errors.read()[-2000:]}")
        result = json.loads(out.read().splitlines()[-1])
    largest = max(watch.largest, result["peak_mb"])
    return Done(result, largest, max(watch.together, largest), len(watch.peak_by_pid))


def _wait(process: "subprocess.Popen[bytes]", watch: Watch) -> int:
    while True:
        try:
            return process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            watch.look()
