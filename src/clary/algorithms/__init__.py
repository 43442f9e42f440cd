"""Built-in algorithms: each a folder with its `spec.py` (data), `train.py` and `serve.py` (run inside the sandbox).

The control plane imports the specs only; the heavy libraries are imported where the work runs. To add one: a folder,
its `SPEC`, a row in `BY_REPOSITORY`.
"""

from clary.algorithms.spec import Algorithm
from clary.algorithms.xgboost.spec import SPEC as XGBOOST

BY_REPOSITORY: dict[str, Algorithm] = {"xgboost": XGBOOST, "sagemaker-xgboost": XGBOOST}
"""The algorithm behind an image, by the repository's name."""
