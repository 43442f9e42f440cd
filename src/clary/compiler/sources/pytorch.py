"""PyTorch's models: TorchScript, traced or scripted (`.pt`, `.pth`), or a program of `torch.export` (`.pt2`)."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clary.compiler.engines import torchscript
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import Candidate, Source, Wanted, networks, only, unloadable

FRAMEWORK = "PYTORCH"
SUFFIXES = (".pt", ".pth", ".pt2")

logger = logging.getLogger(__name__)


def load(folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    file = only(folder, SUFFIXES, "PyTorch")
    if not wanted.inputs:
        raise Unsuitable("DataInputConfig is required for PyTorch models, such as {'input0': [1,3,224,224]}")
    if wanted.device != "cpu" and (wanted.dtype != "float32" or file.suffix == ".pt2"):
        raise Unsuitable("GPU targets take TorchScript models, and compute in float32")
    inputs = tuple(Input(each.name or f"input{n}", each.shape) for n, each in enumerate(wanted.inputs))
    dtypes = (wanted.input_dtype,) * len(inputs)
    torch.set_num_threads(wanted.threads)
    program = _program(file) if file.suffix == ".pt2" else None
    module = program.module() if program else _script(file)
    module = module.to(wanted.device)
    original = torchscript.runner(module, dtypes, wanted.device)
    sample = networks.sampler(inputs, dtypes)
    any_rows = networks.takes_any_rows(original, sample)
    networks.check(original, inputs, sample)
    script = None if program else partial(_freeze, file, wanted)
    return Source(
        original=original,
        call=original,
        called=f"the TorchScript module, {wanted.threads} threads" if script else "the exported program",
        sample=sample,
        candidates=_candidates(program or module, script, inputs, dtypes, wanted, any_rows),
        files=frozenset({file}),
        rows=inputs[0].shape[0],
        any_rows=any_rows,
        batch=networks.batch(inputs),
        extra={torchscript.FILE: lambda target: _save(_freeze(file, wanted), target)} if script else {},
    )


def _script(file: Path) -> Any:
    try:
        return torch.jit.load(str(file), map_location="cpu").eval()
    except Exception as error:
        # A stranger's file. What torch.save wrote is code that is not here, or weights without any.
        raise Unsuitable(
            f"Unable to load provided PyTorch model. {file.name} is not TorchScript: trace the model with "
            f"torch.jit.trace and save it with torch.jit.save. {' '.join(str(error).split())[:300]}"
        ) from error


def _program(file: Path) -> Any:
    try:
        return torch.export.load(file)
    except Exception as error:
        raise unloadable("PyTorch", error) from error


def _candidates(
    model: Any, script: Any, inputs: tuple[Input, ...], dtypes: tuple[str, ...], wanted: Wanted, any_rows: bool
) -> tuple[Candidate, ...]:
    found: tuple[Candidate, ...] = ()
    if wanted.device == "cpu":
        found = networks.candidates(_Exported(model, inputs, dtypes, any_rows), wanted)
    if script and wanted.dtype == "float32":
        found = (*found, _frozen(script, inputs, dtypes, wanted))
    return found


def _frozen(script: Any, inputs: tuple[Input, ...], dtypes: tuple[str, ...], wanted: Wanted) -> Candidate:
    def build(folder: Path) -> Manifest:
        _save(script(), folder / torchscript.FILE)
        options = {"device": wanted.device, "dtype": wanted.dtype}
        return _manifest("torchscript", torchscript.FILE, inputs, dtypes, options)

    return Candidate(f"torchscript {wanted.dtype}, frozen", build)


def _freeze(file: Path, wanted: Wanted) -> Any:
    return torch.jit.freeze(_script(file).to(wanted.device))


def _save(module: Any, file: Path) -> None:
    torch.jit.save(module, str(file))


def _manifest(
    engine: str, file: str, inputs: tuple[Input, ...], dtypes: tuple[str, ...], options: dict[str, Any]
) -> Manifest:
    return Manifest(
        engine=engine,
        framework=FRAMEWORK,
        files=(file,),
        names=tuple(each.name for each in inputs),
        shapes=tuple(each.shape for each in inputs),
        dtypes=dtypes,
        options=options,
    )


class _Exported:
    """A module as an ONNX graph."""

    def __init__(self, model: Any, inputs: tuple[Input, ...], dtypes: tuple[str, ...], any_rows: bool) -> None:
        self._model, self.inputs, self.dtypes, self._any_rows = model, inputs, dtypes, any_rows

    def write(self, file: Path) -> None:
        names = [each.name for each in self.inputs]
        given = tuple(
            torch.zeros(each.shape, dtype=getattr(torch, d)) for each, d in zip(self.inputs, self.dtypes, strict=True)
        )
        try:
            if isinstance(self._model, torch.export.ExportedProgram):
                torch.onnx.export(self._model, dynamo=True, verbose=False).save(file)
                return
            axes = {name: {0: "rows"} for name in names} if self._any_rows else None
            torch.onnx.export(self._model, given, str(file), dynamo=False, input_names=names, dynamic_axes=axes)
        except Exception as error:
            # Two exporters with errors of their own for hundreds of operators.
            text = " ".join(str(error).split())
            raise Unsuitable(
                f"the ONNX exporter cannot convert the model, operators are not implemented: {text[:300]}"
            ) from error

    def manifest(self, options: dict[str, Any], name: str) -> Manifest:
        return _manifest("onnx", name, self.inputs, self.dtypes, options)
