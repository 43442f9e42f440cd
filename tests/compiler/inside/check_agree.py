"""A compiled model that answers otherwise is never taken; one that is slower is, and it says so."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import made

from clary.compiler.agree import compare
from clary.compiler.choose import choose
from clary.compiler.engines import onnx as engine
from clary.compiler.failures import Disagreement
from clary.compiler.manifest import Manifest
from clary.compiler.sources import Candidate, Source, Wanted

CONFIG = {"framework": "ONNX", "target": "ml_c5"}


@pytest.mark.parametrize(
    ("original", "compiled", "dtype", "why"),
    [
        ([np.array([1.0, 2.0])], [np.array([1.0, 2.00001])], "float32", ""),
        ([np.array([1.0, 2.0])], [np.array([1.0, 2.1])], "float32", "numbers differ by 0.05"),
        ([np.array([1.0, 2.0])], [np.array([1.0, 2.01])], "float16", ""),
        ([np.array([1.0])], [np.array([np.nan])], "int8", "numbers differ by inf"),
        ([np.array([np.nan])], [np.array([np.nan])], "float32", ""),
        ([np.array([1.0])], [np.array([[1.0]])], "float32", r"shape \(1, 1\) instead of \(1,\)"),
        ([np.array([1.0])], [], "float32", "0 outputs instead of 1"),
        ([np.array(["a", "b"])], [np.array(["a", "c"])], "float32", "50.0% of the rows get the same class"),
        ([np.array([1, 0])], [np.array([1, 0])], "float32", ""),
    ],
)
def check_agreement(original: Any, compiled: Any, dtype: str, why: str) -> None:
    import re

    found = compare(original, compiled, dtype)
    assert found.holds == (not why) and re.search(why, found.why), found


def source(folder: Path, original: Any) -> Source:
    """A network whose one candidate is its own graph."""
    file, _ = made.graph(folder)

    def build(target: Path) -> Manifest:
        (target / engine.FILE).write_bytes(file.read_bytes())
        return Manifest("onnx", "ONNX", (engine.FILE,), ("data",), ((1, 1, 8, 8),), ("float32",))

    return Source(
        original=original,
        call=original,
        called="the original",
        sample=lambda rows, random: [random.normal(size=(rows, 1, 8, 8)).astype("float32")],
        candidates=(Candidate("graph", build),),
        files=frozenset(),
        batch=3,
    )


def check_other_answers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    wrong = source(tmp_path, lambda x: [np.zeros((len(x[0]), 3), "float32")])
    with pytest.raises(Disagreement, match=r"does not answer as the original does\. it answers differently"):
        choose(wrong, Wanted(), CONFIG, tmp_path / "model", 10)
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize("seconds", [0.0, 0.005])
def check_slower_is_said(tmp_path: Path, seconds: float) -> None:
    """An original that remembers its answers is faster than any engine, one that sleeps before them is slower."""
    (tmp_path / "model").mkdir()
    run = engine.runner(engine.session(made.graph(tmp_path)[0], 1), ("float32",))
    answers: dict[int, Any] = {}

    def original(x: Any) -> Any:
        time.sleep(seconds) if seconds else None
        if id(x) not in answers:
            answers[id(x)] = (x, run(x))
        return answers[id(x)][1]

    found = choose(source(tmp_path, original), Wanted(), CONFIG, tmp_path / "model", 10)
    assert found["slower"] == (seconds == 0)
    assert any("slower" in note for note in found["notes"]) == (seconds == 0)
