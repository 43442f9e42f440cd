"""CompilerOptions: JSON text, of which the keys that mean something here are read."""

import ast
import json
from dataclasses import dataclass
from typing import Any

PRECISIONS = {"float32": "float32", "float": "float32", "float16": "float16", "half": "float16", "int8": "int8"}
"""What the model is to compute in."""
INPUTS = {"int64": "int64", "long": "int64"}
"""AWS's other values of `dtype`: what a PyTorch model's inputs are."""


class BadOptions(ValueError):
    """Not what CompilerOptions may be."""


@dataclass(frozen=True, slots=True)
class Options:
    dtype: str = "float32"
    input_dtype: str = "float32"
    unused: tuple[str, ...] = ()
    """Keys that steer AWS's compiler and nothing here: `mcpu`, `mattr` and the like."""


def parse(text: str | None) -> Options:
    """Raises `BadOptions`."""
    if not text or not text.strip():
        return Options()
    found = _read(text)
    if isinstance(found, str):
        # Flags of the compiler for Inferentia.
        return Options(unused=(found[:100],))
    if not isinstance(found, dict):
        raise BadOptions("CompilerOptions has to be a JSON object.")
    wanted = str(found.get("dtype", "float32")).lower()
    if wanted not in PRECISIONS and wanted not in INPUTS:
        known = ", ".join((*PRECISIONS, *INPUTS))
        raise BadOptions(f"CompilerOptions: dtype {wanted[:50]} is none of {known}.")
    unused = tuple(sorted(str(key) for key in found if key != "dtype"))
    return Options(PRECISIONS.get(wanted, "float32"), INPUTS.get(wanted, "float32"), unused)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise BadOptions("CompilerOptions has to be a JSON object.") from None
