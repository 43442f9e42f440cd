"""What is said of a compilation: in the log as a table, in the artefact as JSON."""

from dataclasses import dataclass, field
from typing import Any

from clary.compiler.agree import Agreement
from clary.compiler.measure import Measured


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate. `why` it is none; empty where it could have been taken."""

    name: str
    agreement: Agreement | None = None
    measured: tuple[Measured, ...] = ()
    why: str = ""
    seconds: float = 0.0
    """What compiling it took."""

    @property
    def gain(self) -> float:
        """Of a single row first: the product of both speed-ups, the single row's counting twice."""
        found = 1.0
        for number, each in enumerate(self.measured):
            found *= each.speedup ** (1 if number else 2)
        return found


@dataclass(frozen=True, slots=True)
class Report:
    framework: str
    original: str
    target: str
    dtype: str
    chosen: Tried
    tried: tuple[Tried, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def slower(self) -> str:
        """Where compiling made it slower; empty where it nowhere did."""
        worse = [each for each in self.chosen.measured if each.speedup < 1]
        parts = [f"{_rows(each.rows)} {1 / each.speedup:.2f} times slower" for each in worse]
        return f"Compiling made this model slower: {', '.join(parts)}." if parts else ""


def as_json(report: Report) -> dict[str, Any]:
    return {
        "framework": report.framework,
        "original": report.original,
        "target": report.target,
        "dtype": report.dtype,
        "chosen": report.chosen.name,
        "slower": bool(report.slower),
        "candidates": [_candidate(each) for each in report.tried],
        "notes": [*report.notes, *([report.slower] if report.slower else [])],
    }


def lines(report: Report) -> list[str]:
    """For the log."""
    head = f"{'candidate':<24} {'rows':>6} {'original':>12} {'compiled':>12} {'speed-up':>9} {'difference':>11}"
    body = [line for each in report.tried for line in _lines(each)]
    chosen = f"Chosen: {report.chosen.name}, against {report.original}."
    return [head, *body, chosen, *report.notes, *([report.slower] if report.slower else [])]


def _lines(tried: Tried) -> list[str]:
    if tried.why or tried.agreement is None:
        return [f"{tried.name:<24} left out: {tried.why}"]
    difference = f"{tried.agreement.largest:.1e}"
    return [
        f"{tried.name:<24} {each.rows:>6} {_microseconds(each.original):>12} {_microseconds(each.compiled):>12} "
        f"{each.speedup:>8.2f}x {difference:>11}"
        for each in tried.measured
    ]


def _candidate(tried: Tried) -> dict[str, Any]:
    found: dict[str, Any] = {"name": tried.name, "compile_seconds": round(tried.seconds, 2)}
    if tried.why:
        found["left_out"] = tried.why
    if tried.agreement:
        found["agreement"] = {
            "rows": tried.agreement.rows,
            "largest_relative_difference": tried.agreement.largest,
            "same_class": tried.agreement.same,
        }
    found["speed"] = [
        {
            "rows": each.rows,
            "original_seconds": each.original,
            "compiled_seconds": each.compiled,
            "speedup": round(each.speedup, 3),
        }
        for each in tried.measured
    ]
    return found


def _rows(count: int) -> str:
    return "a single row is" if count == 1 else f"{count} rows are"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us"
