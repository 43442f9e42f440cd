"""Whether a request's tensors are what `config.pbtxt` says that the model takes, in Triton's words."""

from typing import Any

from clary.serving.server.frameworks.triton.tensors import NAMES
from clary.serving.server.invocation import Refused

STRING = "STRING"
"""What a configuration calls BYTES."""


def check(inputs: dict[str, Any], config: dict[str, Any], model: str) -> None:
    """Only of what is said: an entry may leave type or dimensions out. Raises `Refused` 400."""
    batched = int(config.get("max_batch_size") or 0) > 0
    for entry in config.get("input", []):
        value = inputs.get(entry.get("name", ""))
        if value is not None:
            _check(entry, value, model, [-1] if batched else [])


def _check(entry: dict[str, Any], value: Any, model: str, rows: list[int]) -> None:
    name, given = entry["name"], NAMES.get(value.dtype, "BYTES")
    wanted = str(entry.get("data_type", "")).removeprefix("TYPE_").replace(STRING, "BYTES")
    if wanted and wanted != given:
        raise Refused(400, f"inference input '{name}' data-type is '{given}', but model '{model}' expects '{wanted}'")
    if "dims" not in entry:
        return
    dims = entry["dims"] if isinstance(entry["dims"], list) else [entry["dims"]]
    shape, found = [*rows, *dims], list(value.shape)
    fits = len(shape) == len(found) and all(size in (-1, one) for size, one in zip(shape, found, strict=True))
    if not fits:
        raise Refused(400, f"unexpected shape for input '{name}' for model '{model}'. Expected {shape}, got {found}")
