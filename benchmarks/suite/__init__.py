"""The benchmarks by name, in the order in which they run: the explicit table."""

from collections.abc import Callable

from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.suite import growth, imports, matching, pages, peers, validation, workers

BENCHMARKS: dict[str, Callable[[Options], Report]] = {
    "imports": imports.measure,
    "peers": peers.measure,
    "validation": validation.measure,
    "pages": pages.measure,
    "matching": matching.measure,
    "growth": growth.measure,
    "workers": workers.measure,
}
