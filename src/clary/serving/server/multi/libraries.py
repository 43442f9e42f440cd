"""What most models of a framework import, imported before the first of them: it is no part of what that one costs."""

import contextlib
import importlib

from clary.serving.server.config import Config
from clary.serving.server.frameworks.xgboost import OPTIONAL
from clary.serving.server.lean import hide

LIBRARIES = {
    "sklearn": ("numpy", "joblib", "sklearn.linear_model", "sklearn.ensemble", "sklearn.pipeline"),
    "xgboost": ("numpy", "xgboost"),
    "pytorch": ("numpy", "torch"),
    "tensorflow": ("numpy", "tensorflow"),
    "huggingface": ("numpy", "torch", "transformers"),
}


def import_libraries(config: Config) -> None:
    """Those that the environment has."""
    if config.framework == "xgboost" and not config.program:
        hide(*OPTIONAL)
    for name in LIBRARIES.get(config.framework, ()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
