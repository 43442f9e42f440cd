"""ONNX graphs: what ONNX Runtime makes of them by itself is the original."""

from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.engines import onnx as engine
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import Source, Wanted, networks, only, unloadable
from clary.compiler.sources.inputs import Given, matched

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def load(folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    if wanted.device != "cpu":
        raise Unsuitable("ONNX models are compiled for the CPU only")
    file = only(folder, (".onnx",), "ONNX")
    try:
        session = engine.session(file, wanted.threads)
    except Exception as error:
        # A stranger's file, and an extension's errors.
        raise unloadable("ONNX", error) from error
    given = session.get_inputs()
    inputs, any_rows = matched([Given(each.name, each.shape) for each in given], wanted.inputs)
    dtypes = tuple(_dtype(each) for each in given)
    original = engine.runner(session, dtypes)
    return Source(
        original=original,
        call=original,
        called=f"ONNX Runtime as it comes, {wanted.threads} threads",
        sample=networks.sampler(inputs, dtypes),
        candidates=networks.candidates(_Graph(file, inputs, dtypes), wanted),
        # Weights may lie in files beside the graph; the compiled graph holds them.
        files=frozenset({file, *_beside(file)}),
        inputs=() if wanted.inputs else inputs,
        rows=inputs[0].shape[0],
        any_rows=any_rows,
        batch=networks.batch(inputs),
    )


def _beside(file: Path) -> list[Path]:
    import onnx

    held = onnx.load(file, load_external_data=False).graph.initializer
    names = {entry.value for tensor in held for entry in tensor.external_data if entry.key == "location"}
    return [file.parent / name for name in names if "/" not in name]


def _dtype(given: Any) -> str:
    if given.type not in DTYPES:
        raise Unsuitable(f"Input {given.name} is a {given.type}, which is not supported")
    return DTYPES[given.type]


class _Graph:
    framework = "ONNX"

    def __init__(self, file: Path, inputs: tuple[Input, ...], dtypes: tuple[str, ...]) -> None:
        self._file, self.inputs, self.dtypes = file, inputs, dtypes

    def write(self, file: Path) -> None:
        import onnx

        onnx.save(onnx.load(self._file), file)

    def manifest(self, options: dict[str, Any], name: str) -> Manifest:
        return Manifest(
            engine="onnx",
            framework=self.framework,
            files=(name,),
            names=tuple(each.name for each in self.inputs),
            shapes=tuple(each.shape for each in self.inputs),
            dtypes=tuple(str(np.dtype(name)) for name in self.dtypes),
            options=options,
        )
