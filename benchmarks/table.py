"""A measured line of `docs/performance.md`, and the page itself."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Line:
    """`reach` is what was promised; `held` whether this run kept it, `None` where a line only informs."""

    what: str
    clary: str
    peer: str = ""
    ratio: str = ""
    reach: str = ""
    held: bool | None = None


HEAD = """# Performance

Written by `make benchmarks`, which runs each measure and its peers on the same machine in the same run.
The figures of a small, shared machine mean little; the ratios are what counts.
"""


def page(tables: dict[str, Iterable[Line]], day: str) -> str:
    """The whole page, one table for each benchmark."""
    memory = psutil.virtual_memory().total / 2**30
    parts = [HEAD, f"{day}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}.\n"]
    for title, lines in tables.items():
        parts += [f"## {title}\n", "| what | Clary | peer | ratio | reach | held |", "|---|---|---|---|---|---|"]
        parts += [_row(line) for line in lines]
        parts.append("")
    return "\n".join(parts)


def _row(line: Line) -> str:
    held = {True: "yes", False: "**no**", None: ""}[line.held]
    return f"| {line.what} | {line.clary} | {line.peer} | {line.ratio} | {line.reach} | {held} |"


def faster(what: str, clary: float, peer: float, unit: str, reach: float) -> Line:
    """A rate that should be at least `reach` times the peer's."""
    ratio = clary / peer
    return Line(
        what, f"{clary:,.0f} {unit}", f"{peer:,.0f} {unit}", f"{ratio:.1f} times", f"≥ {reach:g} times", ratio >= reach
    )


def at_most(what: str, value: float, unit: str, reach: float) -> Line:
    """A figure that should not exceed `reach`."""
    return Line(what, f"{value:,.2f} {unit}", reach=f"≤ {reach:g} {unit}", held=value <= reach)
