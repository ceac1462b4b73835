"""`python -m benchmarks.child JOB`: one side of a benchmark; benchmarks.processes starts it and reads the JSON that it prints."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import django

django.setup()

from benchmarks import floor, pages, peers, validation  # noqa: E402 - Django is set up first
from benchmarks.processes import Job  # noqa: E402
from core.memory import peak_mb  # noqa: E402
from etl.pipeline import ImportOptions, import_facilities  # noqa: E402

Timed = Callable[[], dict[str, Any]]


def import_delivery(job: Job) -> Timed:
    """Return the pipeline's import end to end: everything is on."""
    options = ImportOptions(
        data_dir=Path(job.folder), sources=job.sources, batch_size=job.batch_size, workers=job.workers
    )

    def timed() -> dict[str, Any]:
        summary = import_facilities(options)
        assert summary["status"] == "succeeded", summary
        return {name: summary[name] for name in ("totals", "seconds_by_step", "duplicates")}

    return timed


# What is to be timed of each job; what it needs is prepared before the clock starts.
WORK: dict[str, Callable[[Job], Timed]] = {
    "import": import_delivery,
    "floor": lambda job: lambda: floor.load(Path(job.folder), job.sources),
    "import_export": lambda job: peers.import_export(Path(job.folder), job.sources, peers.FacilityResource),
    "import_export_bulk": lambda job: peers.import_export(Path(job.folder), job.sources, peers.BulkResource),
    "import_export_tuned": lambda job: peers.import_export(Path(job.folder), job.sources, peers.TunedResource),
    "update_or_create": lambda job: peers.update_or_create(Path(job.folder), job.sources),
    "pages": lambda _: pages.visit_all,
    "gate": lambda job: validation.by_gate(Path(job.folder), job.sources),
    "jsonschema": lambda job: validation.by_jsonschema(Path(job.folder), job.sources),
}


def main() -> None:
    """Do the job and print what became of it as one line of JSON."""
    given = json.loads(sys.argv[1])
    job = Job(**given | {"sources": tuple(given["sources"])})
    timed = WORK[job.work](job)
    started = perf_counter()
    result = timed()
    seconds = perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()} | result, default=str))


if __name__ == "__main__":
    main()
