"""Half of a small prediction of scikit-learn, saved: it asks narwhals at each step whether an array is a dataframe.

narwhals looks at a dozen places to say no. A numpy array is none, so that is said at once; all else is asked as before.
`sklearn.py` calls it when the model is loaded.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

MODULE = "narwhals.stable.v2.dependencies"
"""By which scikit-learn knows it; older ones do not, and there is nothing to save."""
QUESTIONS = ("is_into_dataframe", "is_into_series")


def are_no_frames() -> None:
    """From now on. May be called again."""
    module = sys.modules.get(MODULE)
    for name in QUESTIONS:
        ask = getattr(module, name, None)
        # What a user's code has put there is its own.
        if ask and ask.__module__ == MODULE and not hasattr(ask, "__wrapped__"):
            setattr(module, name, _quick(ask))


def _quick(ask: Callable[[Any], bool]) -> Callable[[Any], bool]:
    if ask(np.zeros((1, 1))):
        return ask

    @wraps(ask)
    def quick(given: Any) -> bool:
        return type(given) is not np.ndarray and ask(given)

    return quick
