"""How much memory processes hold, in MB."""

import resource
import sys
from pathlib import Path

import psutil


def held_mb() -> float:
    """Return the memory that this process holds now."""
    return float(psutil.Process().memory_info().rss) / 1e6


def peak_mb(pid: int | None = None) -> float:
    """Return a process's high-water mark, 0 of one that is just ending; raises psutil.NoSuchProcess where there is none.

    Elsewhere than on Linux another process tells only of now.

    Linux counts to getrusage's ru_maxrss what the parent held when it started the child; VmHWM begins anew with the program
    (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
    """
    status = Path(f"/proc/{pid or 'self'}/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0)
    if pid is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return float(psutil.Process(pid).memory_info().rss) / 1e6
