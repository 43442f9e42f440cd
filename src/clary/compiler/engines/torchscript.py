"""TorchScript, frozen and optimised for inference; on the GPU where one is there and the job was for one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from clary.compiler.engines import Model
from clary.compiler.manifest import Manifest

FILE = "model.pt"
"""AWS's name of it: scripts load it by this."""


def load(folder: Path, manifest: Manifest, threads: int) -> Model:
    torch.set_num_threads(max(1, threads))
    device = device_of(manifest)
    module = torch.jit.load(str(folder / FILE), map_location=device)
    # Here and not by the job: what it makes for this CPU cannot be read back from a file.
    return runner(torch.jit.optimize_for_inference(module), manifest.dtypes, device)


def device_of(manifest: Manifest) -> str:
    return "cuda" if manifest.options.get("device") == "cuda" and torch.cuda.is_available() else "cpu"


def runner(module: Any, dtypes: Sequence[str], device: str = "cpu") -> Model:
    kinds = [getattr(torch, name) for name in dtypes]

    def call(inputs: Sequence[Any]) -> list[Any]:
        with torch.no_grad():
            fed = [torch.as_tensor(x).to(device, kind) for x, kind in zip(inputs, kinds, strict=True)]
            return flat(module(*fed))

    return call


def flat(found: Any) -> list[Any]:
    """A module's outputs as arrays, in their order. Raises `TypeError` for what is none."""
    if isinstance(found, torch.Tensor):
        return [found.detach().float().cpu().numpy() if found.is_floating_point() else found.detach().cpu().numpy()]
    if isinstance(found, dict):
        return [array for value in found.values() for array in flat(value)]
    if isinstance(found, list | tuple):
        return [array for value in found for array in flat(value)]
    raise TypeError(f"the model gives a {type(found).__name__}, which is no tensor")
