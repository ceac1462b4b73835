"""The memory that each process of a run may hold: above it records are read in smaller portions, rather than until it dies."""

from functools import cache

import structlog
from django.conf import settings

from core.memory import held_mb

log = structlog.get_logger(__name__)
LESS = 10  # times smaller portions above the ceiling


def is_above_ceiling(peak_mb: float) -> bool:
    """Return whether this much is more than ETL_MAX_MEMORY_MB; 0 sets no ceiling."""
    return 0 < settings.ETL_MAX_MEMORY_MB < peak_mb


def portion(usual: int) -> int:
    """Return how many records to read at once: the usual number, or a tenth of it while this process holds too much."""
    if not is_above_ceiling(held_mb()):
        return usual
    _say_once()
    return max(1, usual // LESS)


@cache
def _say_once() -> None:
    reason = f"more than ETL_MAX_MEMORY_MB ({settings.ETL_MAX_MEMORY_MB}) held; records are read in smaller portions"
    log.warning("memory above its ceiling", code="memory-ceiling", reason=reason)
