"""`model.pt`: TorchScript, called with the inputs in the order that their names say, as Triton's backend reads them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from clary.serving.server.invocation import Refused

Run = Callable[[dict[str, Any]], dict[str, Any]]
_NUMBERED = re.compile(r".+__(\d+)")


def load(file: Path, config: dict[str, Any]) -> Run:
    """Of the model, on the CPU. Raises what `torch.jit.load` raises."""
    model = torch.jit.load(str(file), map_location="cpu").eval()
    wanted = [entry["name"] for entry in config.get("input", [])]
    given = order([entry["name"] for entry in config.get("output", [])], ())
    arguments = [each.name for each in model.forward.schema.arguments[1:]]

    def run(inputs: dict[str, Any]) -> dict[str, Any]:
        if wanted and inputs.keys() != set(wanted):
            raise Refused(400, f"expected inputs {', '.join(wanted)}, got {', '.join(inputs)}")
        names = order(wanted or sorted(inputs), arguments)
        with torch.no_grad():
            return _named(model(*(_tensor(name, inputs[name]) for name in names)), given)

    return run


def order(names: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """As `forward` has them, where all are called so; by number, where all end like `INPUT__0`; else as they are."""
    if set(names) <= set(arguments):
        return sorted(names, key=list(arguments).index)
    numbers = {name: int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name))}
    return sorted(names, key=numbers.__getitem__) if len(numbers) == len(names) else list(names)


def _tensor(name: str, value: Any) -> Any:
    if value.dtype.kind == "O":
        raise Refused(400, f"input '{name}' is of type BYTES, which a TorchScript model does not take")
    # Copied: what was read from a request may not be written to.
    return torch.from_numpy(value.copy())


def _named(found: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(found, dict):
        return {name: _array(value) for name, value in found.items()}
    values = found if isinstance(found, tuple | list) else [found]
    return {names[at] if at < len(names) else f"OUTPUT__{at}": _array(value) for at, value in enumerate(values)}


def _array(value: Any) -> Any:
    """Numpy has no bfloat16."""
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
