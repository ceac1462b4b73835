"""How much memory processes take: the peak of each, and of a child process with its workers while somebody else waits for it."""

import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass(slots=True)
class Watch:
    """The peaks in MB of a process and of those that it started, as far as anybody looked."""

    pid: int
    peak_by_pid: dict[int, float] = field(default_factory=dict)
    together: float = 0.0

    def look(self) -> None:
        """Note what each process of the family has held at most, and what all hold now; shared pages count for each."""
        now = 0.0
        for process in self._family():
            try:
                now += process.memory_info().rss / 1e6
                self.peak_by_pid[process.pid] = max(self.peak_by_pid.get(process.pid, 0.0), _peak_mb(process))
            except (psutil.Error, OSError):  # it ended meanwhile
                continue
        self.together = max(self.together, now)

    @property
    def largest(self) -> float:
        """The most that one process held."""
        return max(self.peak_by_pid.values(), default=0.0)

    def _family(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        except psutil.Error:
            return []


def own_peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    return _peak_mb(psutil.Process())


def _peak_mb(process: psutil.Process) -> float:
    """Return a process's high-water mark; elsewhere than on Linux what it holds now, or of this one what getrusage says.

    Linux counts to ru_maxrss what the parent held when it started the child: VmHWM begins anew with the program.
    """
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(
            (int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0
        )  # 0: it ended
    if process.pid == psutil.Process().pid:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return float(process.memory_info().rss) / 1e6
