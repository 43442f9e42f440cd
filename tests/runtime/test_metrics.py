"""Numbers read from lines, by regexes that take as long as they take."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clary.runtime.shim.metrics import BUDGET, STRIKES, MetricReader


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGVTALRM)
    yield
    signal.signal(signal.SIGVTALRM, before)


def values(file: Path) -> list[float]:
    return [json.loads(line)["value"] for line in file.read_text().splitlines()]


class Stalled:
    """A pattern that is kept from the processor while it searches, as any is on a busy machine."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def search(self, text: str) -> re.Match[str] | None:
        time.sleep(1.2 * BUDGET)
        return self._pattern.search(text)


def test_a_machine_that_stalls_takes_no_metric_away(tmp_path: Path) -> None:
    reader = MetricReader([{"name": "loss", "regex": "loss=([0-9.]+)"}], str(tmp_path / "m"))
    (pattern,) = reader._patterns["loss"]
    reader._patterns["loss"] = [Stalled(pattern)]  # type: ignore[list-item]
    assert [reader([b"loss=%d" % turn], 1.0) for turn in range(STRIKES)] == [[]] * STRIKES
    assert values(tmp_path / "m") == [0.0, 1.0, 2.0]


def test_a_regex_that_takes_too_long_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    metrics = [{"name": "evil", "regex": "(a+)+$"}, {"name": "good", "regex": "good ([0-9]+)"}]
    reader = MetricReader(metrics, str(tmp_path / "m"))  # type: ignore[arg-type]
    told = [reader([b"a" * 40 + b"b", b"good %d" % turn], 1.0) for turn in range(STRIKES)]
    notice = b"Clary: metric evil is no longer read: its regex takes too long."
    assert (told, values(tmp_path / "m")) == ([[], [], [notice]], [0.0, 1.0, 2.0])
