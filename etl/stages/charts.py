"""Charts as inline SVG and HTML, for pages without any outside asset; each says in words what it shows."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 460, 170, 34
# of a part of a bar: a colour that both themes can carry, and a word beside it wherever it is used
COLOURS: Mapping[str, str] = {
    "created": "#2e7d4f", "updated": "#2a6fb0", "unchanged": "#8a8a94", "merged": "#7a55b5", "rejected": "#b3261e",
}  # fmt: skip


def line_chart(points: Sequence[tuple[str, float | None]], *, title: str, target: float | None = None) -> str:
    """Return percentages over time as an SVG line, the scale ending below the lowest; gaps where nothing was measurable."""
    known = [value for _, value in points if value is not None]
    if not known:
        return "<p>Nothing was measurable yet.</p>"
    low = max(0.0, (min([*known, target or 100.0]) // 10) * 10 - 10)
    span = 100.0 - low
    step = (WIDTH - 2 * MARGIN) / max(1, len(points) - 1)

    def place(index: int, value: float) -> tuple[float, float]:
        return round(MARGIN + index * step, 1), round(MARGIN / 2 + (100.0 - value) / span * (HEIGHT - 1.5 * MARGIN), 1)

    dots = [(label, value, *place(index, value)) for index, (label, value) in enumerate(points) if value is not None]
    line = " ".join(f"{x},{y}" for _, _, x, y in dots)
    marks = "".join(
        f'<circle cx="{x}" cy="{y}" r="3.5"><title>{escape(label)}: {value:.1f} %</title></circle>'
        for label, value, x, y in dots
    )
    scale = "".join(_grid_line(value, place(0, value)[1]) for value in (low, (low + 100) / 2, 100.0))
    goal = _goal_line(target, place(0, target)[1]) if target is not None else ""
    first, last = points[0][0], points[-1][0]
    words = f"{title}: {dots[0][1]:.1f} % at {dots[0][0]}, {dots[-1][1]:.1f} % at {dots[-1][0]}"
    return (
        f'<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">'
        f'{scale}{goal}<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/>'
        f'<g fill="currentColor">{marks}</g>'
        f'<text x="{MARGIN}" y="{HEIGHT - 4}">{escape(first)}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 4}" text-anchor="end">{escape(last)}</text></svg>'
    )


def _grid_line(value: float, y: float) -> str:
    return (
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y}" y2="{y}" stroke="currentColor" stroke-opacity=".2"/>'
        f'<text x="{MARGIN - 5}" y="{y + 4}" text-anchor="end">{value:.0f}</text>'
    )


def _goal_line(target: float, y: float) -> str:
    return (
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y}" y2="{y}" stroke="currentColor" stroke-dasharray="4 4"/>'
        f'<text x="{WIDTH - MARGIN + 3}" y="{y + 4}">{target:.0f}</text>'
    )


def stacked_bars(rows: Sequence[tuple[str, Mapping[str, int]]], *, title: str) -> str:
    """Return rows of parts as bars of one scale, with a legend; a row's numbers stand beside it in words."""
    most = max((sum(parts.values()) for _, parts in rows), default=0)
    if not most:
        return "<p>There is nothing to show yet.</p>"
    names = [name for name in COLOURS if any(parts.get(name) for _, parts in rows)]
    legend = "".join(f'<span><i style="background:{COLOURS[name]}"></i>{name}</span>' for name in names)
    lines = "".join(_stack(label, parts, names, most) for label, parts in rows)
    return f'<div class="stacks" role="img" aria-label="{escape(title)}"><p class="legend">{legend}</p><dl>{lines}</dl></div>'


def _stack(label: str, parts: Mapping[str, int], names: Sequence[str], most: int) -> str:
    cells = "".join(
        f'<i style="width:{100 * parts[name] / most:.2f}%;background:{COLOURS[name]}" title="{name}: {parts[name]}"></i>'
        for name in names
        if parts.get(name)
    )
    said = ", ".join(f"{parts[name]} {name}" for name in names if parts.get(name)) or "nothing"
    return f'<dt>{escape(label)}</dt><dd><div class="stack">{cells}</div><small>{said}</small></dd>'


def bar(label: str, percent: float, said: str, *, target: float | None = None) -> str:
    """Return a term of a definition list with a bar and its number in words; a tick stands at the target."""
    tick = f'<b style="left:{target:.1f}%" title="target {target:.0f} %"></b>' if target is not None else ""
    inside = f'<div class="bar"><i style="width:{min(100.0, percent):.1f}%"></i>{tick}</div>'
    return f'<dt>{escape(label)}</dt><dd class="said">{escape(said)}</dd><dd class="track">{inside}</dd>'
