"""What a person at the terminal reads of the review queue; the same objects are printed as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.installation import MANAGE
from etl.console import counted

WIDTH = 34  # of a column of a comparison
BAR = 20  # characters for a part of 1


def pairs_in_lines(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line for each pair, and what to do next."""
    for pair in pairs:
        one, other = pair["facilities"]
        county = one["county"] or other["county"] or "?"
        counties = county if other["county"] in {None, county} else f"{county} / {other['county']}"
        yield f"{pair['id']:>6}  {pair['score']:.2f}  {_title(one)}  |  {_title(other)}  |  {counties}"
        yield f"              {pair['reason']}"
    if not pairs:
        yield "No pair."
    elif pairs[0]["state"] == "open":
        number = pairs[0]["id"]
        yield f"{counted(len(pairs), 'pair')}. Next: {MANAGE} duplicates show {number}, then merge {number} or separate {number}"
    else:
        yield f"{counted(len(pairs), 'pair')}."


def _title(facility: Mapping[str, Any]) -> str:
    return f"{facility['name']} ({facility['code'] or '-'}, {facility['source']})"


def comparison_in_lines(pair: Mapping[str, Any]) -> Iterator[str]:
    """Yield a pair side by side: features with bars, then the fields, "*" before those that differ."""
    one, other = pair["facilities"]
    yield f"pair {pair['id']} ({pair['state']}), score {pair['score']:.2f}: {pair['reason']}"
    for title, part in pair["features"].items():
        bar = ("+" if part > 0 else "-") * max(1, round(BAR * min(1, abs(part))))
        yield f"  {title:<14} {part:+.2f} {bar}"
    yield ""
    yield f"  {'':<20} {_cut(f'{one["code"]} ({one["source"]})')} {other['code']} ({other['source']})"
    for line in pair["fields"]:
        if line["one"] or line["other"]:
            mark = "*" if line["differs"] else " "
            pinned = f"  [pinned: {', '.join(line['pinned'])}]" if line["pinned"] else ""
            yield f"{mark} {line['field']:<20} {_cut(line['one'])} {line['other']}{pinned}"
    if pair["distance_km"] is not None:
        yield f"  {pair['distance_km']} km apart"
    if pair["state"] == "open":
        number = pair["id"]
        yield f"Next: {MANAGE} duplicates merge {number} --dry-run, or duplicates separate {number}"


def _cut(text: str) -> str:
    return f"{text[: WIDTH - 1]}\u2026" if len(text) > WIDTH else f"{text:<{WIDTH}}"


def parts_in_lines(facility: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a facility is made of, and what its sources say where they differ."""
    yield f"{facility['code']}: {facility['name']}"
    for row in facility["records"]:
        came = f", came with {row['came_with']}" if row["came_with"] else ""
        yield f"  record {row['record']} of {row['source']}{came}"
    for name, said in facility["disputed"].items():
        words = "; ".join(
            f"{one['source']} says {one['says']}{' (believed)' if one['believed'] else ''}" for one in said
        )
        yield f"  {name}: {words}"
    if facility["pairs"]:
        yield from pairs_in_lines(facility["pairs"])
    if len(facility["records"]) > 1:
        yield f"To take a record out: {MANAGE} duplicates split {facility['code']} {facility['least_trusted']}"


def decision_in_lines(decided: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a decision did, or would do, and how it is taken back."""
    would = "Would be: " if decided["run"] is None else f"Run {decided['run']}: "
    codes = decided["facilities"]
    moved = f"{decided['records_moved']} source record{'' if decided['records_moved'] == 1 else 's'}"
    if decided["action"] == "merge":
        names = {code: f"{code} ({decided['names'][code]})" for code in (*codes, *decided["retired"])}
        yield f"{would}{' and '.join(names[code] for code in decided['retired'])} merged into {names[codes[0]]}; {moved} moved."
        yield from (f"warning: {text}" for text in decided["warnings"])
        yield f"To take it back: {MANAGE} duplicates split {codes[0] if len(decided['retired']) > 1 else decided['retired'][0]}"
    elif decided["action"] == "split":
        yield f"{would}{', '.join(decided['restored'])} taken out of {codes[0]}; {moved} moved."
        yield "They are told apart for good; merge them to change your mind."
    else:
        yield f"{would}{' and '.join(codes)} are told apart for good; no import asks about them again."
    if decided["run"] is None:
        yield "Dry run; nothing was written."
