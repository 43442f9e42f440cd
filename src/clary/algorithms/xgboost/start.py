"""The program of a training container: `train.main`, without what the library brings along for others' sake.

Its interface for scikit-learn makes it import all of that, which takes longer than most small trainings.
"""

import sys

sys.modules["sklearn"] = None  # type: ignore[assignment]
try:
    from clary.algorithms.xgboost.train import main
finally:
    del sys.modules["sklearn"]

__all__ = ["main"]
