"""What most models of a framework import, imported before the first of them: it is no part of what that one costs."""

import contextlib
import importlib

LIBRARIES = {
    "sklearn": ("numpy", "joblib", "sklearn.linear_model", "sklearn.ensemble", "sklearn.pipeline"),
    "xgboost": ("numpy", "xgboost"),
    "pytorch": ("numpy", "torch"),
    "tensorflow": ("numpy", "tensorflow"),
    "huggingface": ("numpy", "torch", "transformers"),
}


def import_libraries(framework: str) -> None:
    """Those that the environment has."""
    for name in LIBRARIES.get(framework, ()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
