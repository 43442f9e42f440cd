"""Metric definitions applied to log lines; what they find goes to `metrics.jsonl`."""

import contextlib
import json
import math
import os
import re
import signal
from types import FrameType

from clary.runtime.shim.spec import Metric

BUDGET = 0.25
"""Seconds of processor time that one regex may take over one chunk of output (64 KiB)."""
STRIKES = 3
"""How often it may take longer before it is no longer applied."""
MAX_FILE = 64 * 1024 * 1024


class _TooSlow(Exception):
    """Raised by the timer inside the regex engine, which looks for signals while it works."""


class MetricReader:
    """Reads numbers from lines. A regex that cannot be compiled or is too slow is dropped with a notice."""

    def __init__(self, metrics: list[Metric], path: str) -> None:
        self._notices: list[bytes] = []
        self._patterns: dict[str, list[re.Pattern[str]]] = {}
        self._strikes: dict[re.Pattern[str], int] = {}
        for metric in metrics:
            self._compile(metric)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if self._patterns else -1
        self._size = 0
        self._armed = False
        signal.signal(signal.SIGVTALRM, self._ring)

    def __call__(self, lines: list[bytes], now: float) -> list[bytes]:
        """Write what the regexes find; returns notices for the log."""
        if self._patterns:
            texts = [line.decode("utf-8", "replace") for line in lines]
            found = [
                {"name": name, "value": value, "time": now}
                for name, patterns in list(self._patterns.items())
                for pattern in list(patterns)
                for value in self._search(name, pattern, texts)
            ]
            self._write(found)
        notices, self._notices = self._notices, []
        return notices

    def _compile(self, metric: Metric) -> None:
        try:
            pattern = re.compile(metric["regex"])
        except (re.error, RecursionError, OverflowError) as error:
            self._notices.append(f"Clary: metric {metric['name']} is not read: {error}".encode())
            return
        self._patterns.setdefault(metric["name"], []).append(pattern)

    def _search(self, name: str, pattern: re.Pattern[str], texts: list[str]) -> list[float]:
        values: list[float] = []
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, BUDGET)
            self._armed = True
            for text in texts:
                match = pattern.search(text)
                if match:
                    values += _number(match)
            self._armed = False
        except _TooSlow:
            self._strike(name, pattern)
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return values

    def _strike(self, name: str, pattern: re.Pattern[str]) -> None:
        self._strikes[pattern] = self._strikes.get(pattern, 0) + 1
        if self._strikes[pattern] >= STRIKES:
            self._patterns[name].remove(pattern)
            self._notices.append(f"Clary: metric {name} is no longer read: its regex takes too long.".encode())

    def _ring(self, signum: int, stack: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise _TooSlow

    def _write(self, found: list[dict[str, object]]) -> None:
        block = "".join(json.dumps(entry) + "\n" for entry in found).encode()
        self._size += len(block)
        if block and self._size <= MAX_FILE:
            # A full disk costs metrics, never the job.
            with contextlib.suppress(OSError):
                os.write(self._fd, block)


def _number(match: re.Match[str]) -> list[float]:
    try:
        value = float(match.group(1))
    except (IndexError, TypeError, ValueError):
        return []
    return [value] if math.isfinite(value) else []
