"""`make bench`: every goal of the plan with its figure and "holds" or "falls short"; rivals run in alternation."""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from benchmarks.database import own_database, server_version  # noqa: E402 - Django is set up first
from benchmarks.machine import describe_machine  # noqa: E402
from benchmarks.options import PEERS_AT_MOST, Options  # noqa: E402
from benchmarks.report import store  # noqa: E402
from benchmarks.suite import BENCHMARKS  # noqa: E402

RESULTS = Path(__file__).resolve().parent.parent / "var" / "bench"
FULL_SIZES = (100_000, 1_000_000)
QUICK_RECORDS = 1_000  # to see that it works; its ratios say little


def main() -> None:
    """Run what was asked for, print it, and keep it for benchmarks.page."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options = _options(arguments, Path(folder))
        stored = _run(arguments.only or list(BENCHMARKS), options, is_kept=not arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(stored, indent=1, default=str), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="run this one alone; repeatable")
    parser.add_argument("--records", type=int, help="records of each delivery (default 20,000)")
    parser.add_argument("--sizes", type=_sizes, help="records of growth, such as 20000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in alternation (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another delivery")
    parser.add_argument("--json", type=Path, help="write everything to this file, too")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a small run that shows that everything works; not kept")
    size.add_argument("--full", action="store_true", help="100,000 records, growth to 1,000,000: hours")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part) for part in text.split(",")))


def _options(arguments: argparse.Namespace, folder: Path) -> Options:
    options = Options(folder, rounds=arguments.rounds, seed=arguments.seed)
    if arguments.full:
        options.records, options.sizes = FULL_SIZES[0], FULL_SIZES
    if arguments.quick:
        options.records, options.sizes = QUICK_RECORDS, (QUICK_RECORDS // 2, QUICK_RECORDS)
    options.records = arguments.records or options.records
    options.sizes = arguments.sizes or options.sizes
    options.peer_records = min(options.records, PEERS_AT_MOST)
    return options


def _run(names: Sequence[str], options: Options, *, is_kept: bool) -> list[dict[str, object]]:
    """Return the reports as JSON holds them, after printing them; each is kept in a file of its own."""
    stored = []
    with own_database():
        machine = describe_machine(postgres=server_version())
        print(_told(machine), flush=True)
        for name in names:
            report = BENCHMARKS[name](options)
            print("\n".join(["", *report.lines()]), flush=True)
            stored.append(report.as_stored(machine))
            if is_kept:
                store(report, RESULTS, machine)
    return stored


def _told(machine: dict[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())


if __name__ == "__main__":
    main()
