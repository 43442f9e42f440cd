"""What sources of networks share: their ONNX graph, run by ONNX Runtime in the precision asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clary.compiler.engines import Model
from clary.compiler.engines import onnx as engine
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import Candidate, Wanted

LARGEST_INTEGER = 10
"""Of sampled whole numbers, which are mostly numbers of words: every vocabulary has as many."""


class Exported(Protocol):
    """A model that can be written as ONNX. `write` raises `Unsuitable`."""

    inputs: tuple[Input, ...]
    dtypes: tuple[str, ...]

    def write(self, file: Path) -> None: ...

    def manifest(self, options: dict[str, Any], name: str) -> Manifest: ...


def candidates(exported: Exported, wanted: Wanted) -> tuple[Candidate, ...]:
    """One thread is the faster for small models, all of them for large ones: both are tried."""
    found = [_candidate(exported, wanted.dtype, 1)]
    if wanted.threads > 1:
        found.append(_candidate(exported, wanted.dtype, wanted.threads))
    return tuple(found)


def _candidate(exported: Exported, dtype: str, threads: int) -> Candidate:
    what = f"onnxruntime {dtype}, {threads} thread{'s' if threads > 1 else ''}"

    def build(folder: Path) -> Manifest:
        raw, ready = folder / "exported.onnx", folder / "ready.onnx"
        exported.write(raw)
        try:
            _convert(raw, ready, dtype)
            engine.session(ready, 1, save=folder / engine.FILE)
        except Exception as error:
            # Which of their own, ONNX Runtime's tools and its extension do not say.
            text = " ".join(str(error).split())
            raise Unsuitable(f"ONNX Runtime cannot prepare the graph: {text[:400]}") from error
        for file in (raw, ready):
            file.unlink(missing_ok=True)
        return exported.manifest({"threads": threads, "dtype": dtype}, engine.FILE)

    return Candidate(what, build)


def _convert(raw: Path, ready: Path, dtype: str) -> None:
    if dtype == "float32":
        raw.rename(ready)
    elif dtype == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.registry import IntegerOpsRegistry

        # Convolutions would be several times slower: there are no kernels that make their inputs integers quickly.
        kinds = [kind for kind in IntegerOpsRegistry if kind != "Conv"]
        quantize_dynamic(raw, ready, weight_type=QuantType.QInt8, op_types_to_quantize=kinds)
    else:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        # Inputs and outputs stay what clients send and read.
        onnx.save(convert_float_to_float16(onnx.load(raw), keep_io_types=True), ready)


def check(original: Model, inputs: Sequence[Input], sample: Any) -> None:
    """Whether the model can be called with such inputs. Raises `Unsuitable`."""
    try:
        original(sample(inputs[0].shape[0], np.random.default_rng(0)))
    except Exception as error:
        # Whatever its framework raises.
        shapes = ", ".join(f"{each.name} {list(each.shape)}" for each in inputs)
        raise Unsuitable(
            f"Input has wrong shape in DataInputConfig: the model cannot be called with {shapes}. "
            f"{' '.join(str(error).split())[-300:]}"
        ) from error


def takes_any_rows(original: Model, sample: Any) -> bool:
    """The number of rows may be written into the model: by tracing, or by a shape that it makes."""
    try:
        for rows in (1, 3):
            found = original(sample(rows, np.random.default_rng(0)))
            if any(len(each) != rows for each in found):
                return False
    except Exception:
        # Whatever it raises: not with so many rows.
        return False
    return True


def sampler(inputs: Sequence[Input], dtypes: Sequence[str]) -> Any:
    """Numbers of a normal distribution, or small whole ones."""

    def sample(rows: int, random: Any) -> Sequence[Any]:
        return [
            _one((rows, *each.shape[1:]), np.dtype(dtype), random) for each, dtype in zip(inputs, dtypes, strict=True)
        ]

    return sample


def _one(shape: tuple[int, ...], dtype: Any, random: Any) -> Any:
    if dtype.kind == "f":
        return random.standard_normal(shape, dtype=np.float32).astype(dtype)
    if dtype.kind == "b":
        return random.random(shape) < 0.5
    return random.integers(0, LARGEST_INTEGER, shape).astype(dtype)


def batch(inputs: Sequence[Input]) -> int:
    """Rows of a call that shows what many at a time take, within a few million numbers."""
    size = max(int(np.prod(each.shape[1:])) for each in inputs)
    return int(min(64, max(2, 4_000_000 // size)))
