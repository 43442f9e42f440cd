"""The frameworks whose models the server loads, by the name the plan gives in `CLARY_FRAMEWORK`.

Adding one: a file with a `load(config) -> Loaded` and a row here.
"""

import ctypes
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from clary.serving.server.config import Config
from clary.serving.server.invocation import Serve

FRAMEWORKS = {
    "huggingface": "clary.serving.server.frameworks.huggingface",
    "neo": "clary.serving.server.frameworks.neo",
    "pytorch": "clary.serving.server.frameworks.pytorch",
    "sklearn": "clary.serving.server.frameworks.sklearn",
    "tensorflow": "clary.serving.server.frameworks.tensorflow",
    "triton": "clary.serving.server.frameworks.triton.serving",
    "xgboost": "clary.serving.server.frameworks.xgboost",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """`execution_parameters` is what a script's function of that name returns, for batch transform."""

    serve: Serve
    execution_parameters: Callable[[], Any] | None = None


def load(config: Config) -> Loaded:
    """The model, loaded by its framework. Raises `KeyError` for a framework without a row."""
    for library in sorted(config.libraries.glob("*.so*")):
        # What is loaded is found by its name afterwards, wherever it lies.
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    module = importlib.import_module(FRAMEWORKS[_name(config)])
    return cast(Loaded, module.load(config))


def _name(config: Config) -> str:
    """The runtime of compiled models stands in for Triton's image too: what the model is says which."""
    if config.framework != "neo":
        return config.framework
    from clary.serving.server.frameworks.triton.serving import is_repository

    return "triton" if is_repository(config.model_dir) else "neo"
