"""Whether a compiled model answers as the original does, by tolerances that depend on the precision asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SAME_CLASSES = {"float32": 0.999, "float16": 0.98, "int8": 0.9}
"""Least part of the rows that get the same class: a row on the border between two may get either."""
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "int8": 0.1}
"""Largest difference, as a part of the largest number that the original gives (of 1, where that is less)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`largest`: the largest difference as a part of the original's largest number; `same`: of classes, the part of the
    rows that have the same one; 1 where there are none."""

    rows: int
    largest: float
    same: float
    why: str = ""

    @property
    def holds(self) -> bool:
        return not self.why


def compare(original: Sequence[Any], compiled: Sequence[Any], dtype: str) -> Agreement:
    """Outputs for the same rows."""
    rows = len(original[0]) if len(original) and np.ndim(original[0]) else 1
    if len(original) != len(compiled):
        return Agreement(rows, np.inf, 0.0, f"{len(compiled)} outputs instead of {len(original)}")
    largest, same = 0.0, 1.0
    for number, (one, other) in enumerate(zip(original, compiled, strict=True)):
        one, other = np.asarray(one), np.asarray(other)
        if one.shape != other.shape:
            return Agreement(rows, np.inf, 0.0, f"output {number} has shape {other.shape} instead of {one.shape}")
        if one.dtype.kind in "fc":
            largest = max(largest, _difference(one, other))
        else:
            same = min(same, float(np.mean(one.astype(str) == other.astype(str))) if one.size else 1.0)
    return Agreement(rows, largest, same, _why(largest, same, dtype))


def _difference(one: Any, other: Any) -> float:
    one, other = one.astype(float), other.astype(float)
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return float(np.inf)
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    scale = max(1.0 if one.size == 0 else float(np.abs(one).max()), 1.0)
    return float(np.abs(one - other).max(initial=0.0)) / scale


def _why(largest: float, same: float, dtype: str) -> str:
    if not largest <= TOLERANCE[dtype]:
        return f"numbers differ by {largest:.2g}, more than {TOLERANCE[dtype]:g}"
    if same < SAME_CLASSES[dtype]:
        return f"{same:.1%} of the rows get the same class, less than {SAME_CLASSES[dtype]:.1%}"
    return ""
