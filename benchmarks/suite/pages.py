"""The server's time for every main page, with 12,000 facilities."""

from benchmarks.database import empty_registry, row_counts
from benchmarks.options import Options
from benchmarks.report import Goal, Report, Side

FACILITIES, MERGED = 12_000, 0.88  # of a delivery's records so many become facilities
MOST_SECONDS = 0.3


def measure(options: Options) -> Report:
    """Return the report; the registry is filled by an import of its own."""
    count = min(options.records, round(FACILITIES / MERGED))
    empty_registry()
    options.do("import", options.delivery(count), batch_size=500)
    facilities = row_counts()["facilities"]
    pages = options.do("pages", options.delivery(count)).result["pages"]
    return Report(
        "pages",
        f"Pages with {facilities:,} facilities",
        "Server time of each main page for a superuser, from request to whole answer, median of five visits after a first.",
        options.rounds,
        options.seed,
        [Side(name, facilities, [found["seconds"]], {"queries": found["queries"]}) for name, found in pages.items()],
        [Goal(f"seconds for {name},", found["seconds"], at_most=MOST_SECONDS) for name, found in pages.items()],
        ["queries: " + ", ".join(f"{name} {found['queries']}" for name, found in pages.items())],
    )
