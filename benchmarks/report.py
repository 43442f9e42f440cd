"""What a measure found, and where it is written: each has its own generated part in docs/performance.md."""

import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PAGE = Path(__file__).parent.parent / "docs/performance.md"


@dataclass(slots=True)
class Section:
    """One measure. `target` is what was asked for; `verdict` says in figures whether it was reached."""

    name: str
    title: str
    target: str
    columns: tuple[str, ...]
    rows: list[Sequence[str]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: str = field(default_factory=lambda: f"{os.getloadavg()[0]:.1f}")
    """Of the machine, when the measure began."""

    def verdict(self, met: bool, text: str) -> None:
        self.verdicts.append(f"{'reached' if met else '**missed**'}: {text}")

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", f"Target: {self.target}.", ""]
        lines += ["| " + " | ".join(self.columns) + " |", "|" + " --- |" * len(self.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        lines += ["", *(f"* {verdict}" for verdict in self.verdicts), *(f"* {note}" for note in self.notes)]
        lines += ["", f"*{time.strftime('%Y-%m-%d %H:%M')} · {machine()} · load average before: {self.load}*"]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Put it in the place of what an earlier run left."""
        begin, end = f"<!-- measured: {self.name} -->", f"<!-- end: {self.name} -->"
        page = PAGE.read_text()
        fresh = f"{begin}\n{self.markdown()}{end}"
        found = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: fresh, page, count=1, flags=re.DOTALL)
        PAGE.write_text(found if begin in page else f"{page.rstrip()}\n\n{fresh}\n")


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Linux {platform.release()}, Python {platform.python_version()}"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}" if seconds < 0.01 else f"{seconds * 1000:.1f}"
