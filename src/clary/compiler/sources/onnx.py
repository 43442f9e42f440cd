"""ONNX graphs: what ONNX Runtime makes of them by itself is the original."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.engines import onnx as engine
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import Source, Wanted, networks, only, unloadable

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
    inputs, any_rows = _inputs(given, wanted.inputs)
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


def _inputs(given: Sequence[Any], wanted: tuple[Input, ...]) -> tuple[tuple[Input, ...], bool]:
    """With whether the first dimension is free."""
    any_rows = all(each.shape and not isinstance(each.shape[0], int) for each in given)
    if not wanted:
        return tuple(Input(each.name, _derived(each)) for each in given), any_rows
    if len(wanted) != len(given):
        raise Unsuitable(f"the model has {len(given)} inputs, and DataInputConfig names {len(wanted)}")
    named = {each.name: each.shape for each in wanted}
    if any(named) and set(named) != {each.name for each in given}:
        names = ", ".join(each.name for each in given)
        raise Unsuitable(f"the inputs of the model are called {names}, and DataInputConfig names {', '.join(named)}")
    found = [named.get(each.name, shape.shape) for each, shape in zip(given, wanted, strict=True)]
    return tuple(_fitting(each, shape) for each, shape in zip(given, found, strict=True)), any_rows


def _derived(given: Any) -> tuple[int, ...]:
    free = [size for size in given.shape[1:] if not isinstance(size, int)]
    if free:
        raise Unsuitable(f"Input {given.name} has free dimensions {given.shape}: DataInputConfig has to name them")
    return tuple(size if isinstance(size, int) else 1 for size in given.shape)


def _fitting(given: Any, shape: tuple[int, ...]) -> Input:
    fits = len(shape) == len(given.shape) and all(
        not isinstance(size, int) or size == one for size, one in zip(given.shape, shape, strict=True)
    )
    if not fits:
        raise Unsuitable(f"Input {given.name} has wrong shape in DataInputConfig: {list(shape)} for {given.shape}")
    return Input(given.name, shape)


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
