"""`python -m benchmarks.labelled`: precision and recall of matching on the labelled pairs of tests/data, with intervals.

A pair that a person labelled "same" should merge or be asked about, one labelled "not same" should never merge. Intervals are
Wilson's at 95 % (Wilson 1927). `--threshold` prints what other thresholds would do, `--wrong` the pairs that went wrong.
"""

import argparse
import csv
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from etl.sources import precedence_of
from etl.stages.dedupe import match_county
from etl.stages.evidence import MERGE_AT, REVIEW_AT, judge
from etl.stages.names import read_name
from etl.stages.records import MatchRecord, Pair, Verdict
from geography.gazetteer import Gazetteer, Level, Place

ROOT = Path(__file__).resolve().parent.parent
LABELLED, HELD_OUT, THIRD = (
    ROOT / "tests" / "data" / f"{name}_pairs.jsonl" for name in ("labelled", "held_out", "third")
)
Z_95 = 1.959964
PRECISION_GOAL = 99.5  # percent


@dataclass(frozen=True, slots=True)
class Labelled:
    """A pair, what a person says of it (None: cannot be told), what matching answers and on what evidence."""

    name: str
    kind: str
    is_same: bool | None
    verdict: Verdict
    evidence: Pair


def read_labelled(path: Path = LABELLED) -> list[Labelled]:
    """Return the labelled pairs, each with its verdict."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_judged(json.loads(line)) for line in lines]


def _judged(line: dict[str, Any]) -> Labelled:
    shared = frozenset(line["shared_contacts"])
    one, other = (_match_record(line[side], number, shared) for number, side in enumerate(("one", "other")))
    _, answers = match_county([one, other])
    verdict = answers[0].verdict if answers else Verdict.DISTINCT
    return Labelled(line["id"], line["kind"], line["same"], verdict, judge(one, other))


def _match_record(place: dict[str, Any], number: int, shared: frozenset[str]) -> MatchRecord:
    county, constituency, ward = codes().get((place["county"], place["constituency"], place["ward"]), ("", "", ""))
    assert county, place
    kind = kinds()[place["facility_type"]]
    return MatchRecord(
        order=(precedence_of(place["source"]), f"text:{number}", f"GVRC-{number}", 0),
        source=place["source"],
        key=f"text:{number}",
        code=f"GVRC-{number}",
        facility=None,
        is_new=True,
        name=read_name(place["name"], kind=kind, place_words=words()),
        facility_type=place["facility_type"],
        kind=kind,
        county=county,
        constituency=constituency,
        ward=ward,
        identifier=place["identifier"],
        registration_number=place["registration_number"],
        point=tuple(place["position"]) if place["position"] else None,
        contacts=frozenset([*place["phones"], *place["emails"]]) - shared,
        emails=frozenset(place["emails"]) - shared,
    )


@cache
def codes() -> dict[tuple[str, str, str], tuple[str, str, str]]:
    """Return the codes of each place by its names, "" where a lower level is not given."""
    with (ROOT / "fixtures" / "geography.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[tuple[str, str, str], tuple[str, str, str]] = {}
    for row in rows:
        names = row["county"], row["constituency"], row["ward"]
        numbers = row["county_code"], row["constituency_code"], row["ward_code"]
        for known in (3, 2, 1):
            blank = ("",) * (3 - known)
            found[(*names[:known], *blank)] = (*numbers[:known], *blank)  # type: ignore[index,assignment] # three of each
    return found


@cache
def words() -> frozenset[str]:
    """Return the words that name places."""
    levels = (Level.COUNTY, Level.CONSTITUENCY, Level.WARD)
    places = {
        (levels[depth], numbers[depth], names[depth], numbers[depth - 1] if depth else "")
        for names, numbers in codes().items()
        for depth in (sum(map(bool, names)) - 1,)
    }
    return Gazetteer.of([Place(*place) for place in places], []).words


@cache
def kinds() -> dict[str, str]:
    """Return the kind of each facility type; "" for an unknown one."""
    lookups = json.loads((ROOT / "fixtures" / "lookups.json").read_text(encoding="utf-8"))
    return {"": ""} | {row["code"]: row["kind"] for row in lookups["facility_types"]}


def interval(hits: int, count: int) -> tuple[float, float]:
    """Return the bounds in percent of Wilson's 95 % score interval for a share of hits."""
    if not count:
        return 0.0, 100.0
    share, spread = hits / count, Z_95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def _share(title: str, hits: int, count: int) -> str:
    low, high = interval(hits, count)
    percent = f"{100 * hits / count:.1f} %" if count else "not measurable"
    return f"{title:<46} {percent:>8}  ({hits} of {count}; 95 % interval {low:.1f} to {high:.1f} %)"


def report(pairs: Sequence[Labelled]) -> list[str]:
    """Return the lines of the report."""
    same = [pair for pair in pairs if pair.is_same]
    other = [pair for pair in pairs if pair.is_same is False]
    merged = [pair for pair in (*same, *other) if pair.verdict is Verdict.MERGE]
    asked = [pair for pair in (*same, *other) if pair.verdict is Verdict.REVIEW]
    merged_right = sum(pair in same for pair in merged)
    found = sum(pair.verdict is not Verdict.DISTINCT for pair in same)
    return [
        f"{len(pairs)} labelled pairs: {len(same)} same, {len(other)} not, {len(pairs) - len(same) - len(other)} doubtful",
        f"merge at {MERGE_AT}, review at {REVIEW_AT}",
        _share("precision of automatic merges", merged_right, len(merged)),
        _share("recall of automatic merges", merged_right, len(same)),
        _share("recall of merges and questions together", found, len(same)),
        _share("questions that are duplicates", sum(pair in same for pair in asked), len(asked)),
        f"doubtful pairs: {dict(Counter(pair.verdict.value for pair in pairs if pair.is_same is None))}",
    ]


def report_thresholds(pairs: Sequence[Labelled]) -> list[str]:
    """Return what merging at other scores would do to the pairs that are not vetoed nor decided by a code."""
    lines = []
    for step in range(45, 100, 5):
        at = step / 100
        merged = [
            pair for pair in pairs
            if pair.is_same is not None and (pair.verdict is Verdict.MERGE or pair.verdict is Verdict.REVIEW)
            and not pair.evidence.veto and pair.evidence.score >= at
        ]  # fmt: skip
        right = sum(bool(pair.is_same) for pair in merged)
        lines.append(_share(f"precision if merged at {at:.2f}", right, len(merged)))
    return lines


def main() -> None:
    """Print the report on each set, and on all pairs together."""
    parser = argparse.ArgumentParser(description="precision and recall of matching on the labelled pairs")
    parser.add_argument("--thresholds", action="store_true", help="what other thresholds would do")
    parser.add_argument("--wrong", action="store_true", help="list what went wrong")
    options = parser.parse_args()
    sets = {path.stem: read_labelled(path) for path in (LABELLED, HELD_OUT, THIRD)}
    for title, pairs in {**sets, "together": list(chain.from_iterable(sets.values()))}.items():
        print(f"{title}:")
        print("\n".join(f"  {line}" for line in report(pairs)))
        if options.thresholds:
            print("\n".join(f"  {line}" for line in report_thresholds(pairs)))
        if options.wrong and title in sets:
            print("\n".join(f"  {line}" for line in report_wrong(pairs)))


def report_wrong(pairs: Sequence[Labelled]) -> list[str]:
    """Return a line for each pair that was lost, asked about or merged against its label."""
    words = {
        (True, Verdict.DISTINCT): "lost",
        (False, Verdict.MERGE): "WRONGLY MERGED",
        (True, Verdict.REVIEW): "asked",
        (False, Verdict.REVIEW): "asked in vain",
        (None, Verdict.MERGE): "merged in doubt",
    }
    return sorted(
        f"{word}: {pair.name} score {pair.evidence.score} {dict(pair.evidence.features)} {pair.evidence.reason}"
        for pair in pairs
        if (word := words.get((pair.is_same, pair.verdict)))
    )


if __name__ == "__main__":
    main()
