"""What compiled models run on, by the name in their manifest. A file gives `load(folder, manifest, threads) -> Model`.

A `Model` takes the inputs as arrays, in the manifest's order and with the batch first, and gives the outputs so.
"""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from clary.compiler.manifest import Manifest

ENGINES = {
    "trees": "clary.compiler.engines.forest",
    "onnx": "clary.compiler.engines.onnx",
    "torchscript": "clary.compiler.engines.torchscript",
}

Model = Callable[[Sequence[Any]], list[Any]]


class NotHere(Exception):
    """The artefact was compiled for a machine that this is not, and says so."""


def load(folder: Path, manifest: Manifest, threads: int = 1) -> Model:
    """Raises `ValueError` for an engine without a row."""
    if manifest.engine not in ENGINES:
        raise ValueError(f"The compiled model needs the engine {manifest.engine!r}, which is unknown here.")
    module = importlib.import_module(ENGINES[manifest.engine])
    return cast(Model, module.load(folder, manifest, threads))
