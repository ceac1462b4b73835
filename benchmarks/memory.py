"""How much memory processes take: the peak of each, and of a child process with its workers while somebody else waits for it."""

from dataclasses import dataclass, field

import psutil

from core.memory import peak_mb


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
                self.peak_by_pid[process.pid] = max(self.peak_by_pid.get(process.pid, 0.0), peak_mb(process.pid))
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
