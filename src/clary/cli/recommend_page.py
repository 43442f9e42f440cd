"""`clary recommend NAME --html FILE`: the same as one page that needs nothing else, with two charts."""

from collections.abc import Sequence
from html import escape
from typing import Any

from clary.cli.recommend import Test, row

WIDTH, HEIGHT, MARGIN = 640, 300, 56
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}"
)
Points = list[tuple[float, float]]


def page(name: str, job: dict[str, Any], tests: Sequence[Test]) -> str:
    rates = [(test.name, [(step["users"], step["rate"]) for step in test.curve]) for test in tests]
    tails = [(test.name, [(step["users"], step["p95"]) for step in test.curve]) for test in tests]
    failures = "".join(f"<p>{escape(test.name)}: {escape(test.failure)}</p>" for test in tests if test.failure)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(name)}</title><style>{STYLE}</style>"
        f"<h1>{escape(name)}</h1><p>{escape(job['JobType'])} job of model "
        f"{escape(job['InputConfig'].get('ModelName', ''))}: {escape(job['Status'])}</p>"
        f"{_table([row(test) for test in tests])}{failures}"
        f"{chart('Answers a second, by users', rates)}{chart('P95 of latency in ms, by users', tails)}</html>\n"
    )


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = ("".join(f"<td>{escape(str(value))}</td>" for value in one.values()) for one in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{cells}</tr>' for cells in body)}</table>"


def chart(title: str, lines: Sequence[tuple[str, Points]]) -> str:
    """An SVG with a line for each name; empty where no line has a point."""
    every = [point for _, points in lines for point in points]
    if not every:
        return ""
    right, top = max(x for x, _ in every), max(y for _, y in every) or 1.0
    drawn = [_line(name, points, number, right, top) for number, (name, points) in enumerate(lines) if points]
    return (
        f"<h2>{escape(title)}</h2><svg viewBox='0 0 {WIDTH + 200} {HEIGHT}' width={WIDTH + 200} height={HEIGHT} "
        f"role=img aria-label='{escape(title)}'>{_axes(right, top)}{''.join(drawn)}</svg>"
    )


def _axes(right: float, top: float) -> str:
    left, bottom = MARGIN, HEIGHT - MARGIN / 2
    parts = [f"<path d='M{left} 8V{bottom}H{WIDTH}' stroke='#888' fill='none'/>"]
    for part in (0.25, 0.5, 0.75, 1.0):
        y = bottom - part * (bottom - 16)
        parts.append(f"<path d='M{left} {y:.1f}H{WIDTH}' stroke='#ddd'/>")
        parts.append(f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end' font-size='12'>{part * top:.4g}</text>")
        x = left + part * (WIDTH - left - 12)
        parts.append(
            f"<text x='{x:.1f}' y='{HEIGHT - 8}' text-anchor='middle' font-size='12'>{part * right:.4g}</text>"
        )
    return "".join(parts)


def _line(name: str, points: Points, number: int, right: float, top: float) -> str:
    bottom = HEIGHT - MARGIN / 2
    placed = [
        (MARGIN + x / max(right, 1e-9) * (WIDTH - MARGIN - 12), bottom - y / top * (bottom - 16)) for x, y in points
    ]
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in placed)
    label = f"<text x='{WIDTH + 10}' y='{24 + 18 * number}' font-size='13' fill='{colour}'>{escape(name)}</text>"
    return f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>{dots}{label}"
