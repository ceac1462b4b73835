"""`make bench`: the pipeline and its peer on the same records, in alternation; prints medians and the ratio."""

import json
import os
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings.test")
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from django.conf import settings  # noqa: E402 - Django is set up first
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from benchmarks.peers import FacilityResource, to_dataset  # noqa: E402
from benchmarks.records import generate, write_regional  # noqa: E402
from core.database_roles import as_owner  # noqa: E402
from etl.pipeline import ImportOptions, import_facilities  # noqa: E402
from geography.models import Ward  # noqa: E402

RECORDS = int(os.environ.get("BENCH_RECORDS", "2000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
GOAL = 10  # times the peer, end to end


class RoundOverError(Exception):
    """Rolls a round back, so that each starts from an empty registry."""


def time_pipeline(data_dir: Path) -> float:
    """Return the seconds of one import end to end: read, validate, match, encrypt, load, ledger and statement."""
    started = perf_counter()
    import_facilities(ImportOptions(data_dir=data_dir, sources=("regional",), dry_run=True))
    return perf_counter() - started


def time_peer(records: list[dict[str, object]], ward_codes: dict[tuple[str, str], str]) -> float:
    """Return the seconds of one django-import-export import of facilities and children, nothing else."""
    started = perf_counter()
    try:
        with transaction.atomic():
            result = FacilityResource().import_data(to_dataset(records, ward_codes), raise_errors=True)
            assert result.totals["new"] == len(records), result.totals
            raise RoundOverError  # noqa: TRY301 - how a transaction is rolled back
    except RoundOverError:
        return perf_counter() - started


def main() -> None:
    """Run the rounds and print the comparison."""
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        call_command("load_geography", verbosity=0, stdout=open(os.devnull, "w"))  # noqa: PTH123, SIM115 - closed at exit
        ward_codes = {
            (constituency, ward): code
            for constituency, ward, code in Ward.objects.values_list(
                "constituency__constituency_name", "ward_name", "ward_code"
            )
        }
        records = list(generate(RECORDS))
        with tempfile.TemporaryDirectory() as folder:
            write_regional(Path(folder) / "regional.json", RECORDS)
            rounds = [(time_pipeline(Path(folder)), time_peer(records, ward_codes)) for _ in range(ROUNDS)]
    finally:
        teardown_databases(databases, verbosity=0)
    ours, peers = (statistics.median(side) for side in zip(*rounds, strict=True))
    ratio = peers / ours
    print(f"{RECORDS} records, {ROUNDS} rounds in alternation, batch {settings.ETL_BATCH_SIZE}")
    print(f"GVRC Admin, everything on            {ours:8.2f} s  {RECORDS / ours:8.0f} records/s")
    print(f"django-import-export, rows alone     {peers:8.2f} s  {RECORDS / peers:8.0f} records/s")
    print(f"ratio {ratio:.1f}; goal {GOAL}: {'holds' if ratio >= GOAL else 'falls short'}")
    print(
        json.dumps({"records": RECORDS, "seconds": {"pipeline": ours, "django_import_export": peers}, "ratio": ratio})
    )


with as_owner():  # who alone may make and drop a database
    main()
