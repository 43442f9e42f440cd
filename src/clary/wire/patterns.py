"""AWS's patterns as Python's: anchored, because AWS matches the whole value, and with Java's classes spelled out.

Called by `validation.py` and `constraints.py`. What no rule can translate is a row of `patches.json`.
"""

import importlib.resources
import itertools
import re
import unicodedata
from functools import cache
from typing import Any

import msgspec

POSIX = {
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Print": "\\x20-\\x7e",
} | {"ASCII": "\\x00-\\x7f"}
ASSIGNED = ((0, 0x40000), (0xE0000, 0xE1000))
"""Planes beyond hold nothing, or private characters; leaving them out spares most of the time."""

CLASS = re.compile(r"\\p\{(\w+)\}|\\p(\w)")


@cache
def anchored(java: str) -> str:
    """The Python source of a whole match of `java`. Raises `re.error` when it is still not valid Python."""
    source = java
    for before, after in _patches():
        source = source.replace(before, after)
    return rf"\A(?:{_spell_classes(source)})\Z"


@cache
def compiled(java: str) -> re.Pattern[str]:
    return re.compile(anchored(java))


@cache
def _patches() -> list[tuple[str, str]]:
    text = importlib.resources.files("clary.wire").joinpath("patches.json").read_bytes()
    rows: dict[str, list[dict[str, Any]]] = msgspec.json.decode(text)
    return [(row["java"], row["python"]) for row in rows["patterns"]]


def _spell_classes(source: str) -> str:
    """Replace `\\p{X}`; alone it becomes a class of its own, inside brackets only its ranges."""
    out, depth, at = [], 0, 0
    while at < len(source):
        found = CLASS.match(source, at)
        if found:
            ranges = _ranges(found[1] or found[2])
            out.append(ranges if depth else f"[{ranges}]")
            at = found.end()
            continue
        step = 2 if source[at] == "\\" else 1
        depth = 1 if source[at] == "[" else 0 if source[at] == "]" and depth else depth
        out.append(source[at : at + step])
        at += step
    return "".join(out)


@cache
def _ranges(name: str) -> str:
    return POSIX.get(name) or _categories()[name]


@cache
def _categories() -> dict[str, str]:
    """Ranges of each general category and of each major one (`L`, `N`, ...), in one pass over what is assigned."""
    spans: dict[str, list[str]] = {}
    for start, stop in ASSIGNED:
        for category, run in itertools.groupby(map(unicodedata.category, map(chr, range(start, stop)))):
            end = start + sum(1 for _ in run)
            for name in (category, category[0]):
                spans.setdefault(name, []).append(f"\\U{start:08x}-\\U{end - 1:08x}")
            start = end
    return {name: "".join(ranges) for name, ranges in spans.items()}
