"""ONNX graphs, run by ONNX Runtime. The job has it optimise the graph for this CPU once, and saves the result."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from clary.compiler.engines import Model
from clary.compiler.manifest import Manifest

FILE = "compiled.onnx"


def session(model: Path, threads: int, *, optimised: bool = False, save: Path | None = None) -> Any:
    """`threads` 0: what ONNX Runtime takes by itself. `optimised`: the file needs no more of it; `save`: where to put
    the optimised graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_DISABLE_ALL if optimised else levels.ORT_ENABLE_ALL
    if save:
        options.optimized_model_filepath = os.fspath(save)
    return onnxruntime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"])


def load(folder: Path, manifest: Manifest, threads: int) -> Model:
    wanted = int(manifest.options.get("threads", 0)) or threads
    return runner(session(folder / FILE, min(wanted, max(1, threads))), manifest.dtypes)


def runner(opened: Any, dtypes: Sequence[str]) -> Model:
    names = [each.name for each in opened.get_inputs()]
    kinds = [np.dtype(name) for name in dtypes]
    run = opened.run

    def call(inputs: Sequence[Any]) -> list[Any]:
        fed = {name: np.ascontiguousarray(x, kind) for name, x, kind in zip(names, inputs, kinds, strict=True)}
        return list(run(None, fed))

    return call
