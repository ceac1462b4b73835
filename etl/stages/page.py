"""The frame of a report: one self-contained HTML page, readable on a phone and printable."""

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8883; --accent: #66419b; --bad: #b3261e; --good: #2e7d4f }
@media (prefers-color-scheme: dark) { :root { --accent: #b6a0dd; --bad: #ff8a80; --good: #7bd3a0 } }
* { box-sizing: border-box }
body { background: Canvas; color: CanvasText }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 62rem }
h1 { font-size: 1.5rem; margin: .5rem 0 0 }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1rem 0 .3rem }
.sub { opacity: .75; margin: 0 0 1rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .6rem }
.tile { border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .8rem }
.tile b { display: block; font-size: 1.5rem; color: var(--accent) }
.tile.bad b, .bad { color: var(--bad) }
.good { color: var(--good) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
th:first-child, td:first-child { text-align: left }
tr.total td { font-weight: 600 }
td.words { text-align: left; white-space: normal }
.bar { position: relative; background: var(--soft); border-radius: 1rem; height: .6rem }
.bar i { display: block; height: 100%; background: var(--accent); border-radius: 1rem }
.bar b { position: absolute; top: -.2rem; width: 2px; height: 1rem; background: currentColor }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .4rem .8rem }
.bars { align-items: center; grid-auto-flow: row dense }
.bars dt { grid-column: 1 }
.bars .track { grid-column: 2 }
.bars .said { grid-column: 3 }
dt, dd { margin: 0 }
.trend { width: 100%; height: auto; color: var(--accent) }
.trend text { font: 11px system-ui, sans-serif; fill: currentColor }
.stacks dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem .8rem }
.stack { display: flex; height: .8rem }
.stack i { display: block; height: 100% }
.legend span { margin-right: 1rem }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .3rem }
.error { border-left: 4px solid var(--bad); padding: .3rem .8rem; margin: .5rem 0 }
code { overflow-wrap: anywhere }
ol.next li { margin: .5rem 0 }
ol.next code { display: inline-block; padding: .1rem .4rem; background: var(--soft); border-radius: .3rem }
@media (max-width: 34rem) {
  .bars { grid-template-columns: 1fr max-content }
  .bars .said { grid-column: 2 }
  .bars .track { grid-column: 1 / -1 } }
.leave a { color: inherit }
@media print { .leave { display: none } }
@media print { body { max-width: none; font-size: 11px } section { break-inside: avoid } details > * { display: block } }
"""


def percent_text(value: float | None) -> str:
    """Return a percentage in words."""
    return "not measurable" if value is None else f"{value:.1f} %"


def page(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """Return a whole document; the parts are HTML, title and subtitle are text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f'<h1>{escape(title)}</h1><p class="sub">{escape(subtitle)}</p>\n{"\n".join(filter(None, parts))}\n</body></html>\n'
    )


def section(title: str, body: str) -> str:
    """Return a part of the page under its heading."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, has_total: bool = False) -> str:
    """Return a table of texts; it scrolls sideways inside itself on a phone. With a total, the last row is one."""
    lines = [[escape(str(cell)) for cell in row] for row in rows]
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f"<tr{' class="total"' if has_total and number == len(lines) else ''}>"
        + "".join(f"<td>{cell}</td>" for cell in line)
        + "</tr>"
        for number, line in enumerate(lines, start=1)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="table"><table><tr>{names}</tr>{body}</table></div>'
    )
