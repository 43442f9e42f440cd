"""What a model was before it is compiled, by framework. Each file gives `load(folder, wanted) -> Source`."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from clary.compiler.engines import Model
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input

SOURCES = {
    "SKLEARN": "clary.compiler.sources.sklearn",
    "XGBOOST": "clary.compiler.sources.boosters",
    "PYTORCH": "clary.compiler.sources.pytorch",
    "ONNX": "clary.compiler.sources.onnx",
    "TENSORFLOW": "clary.compiler.sources.tensorflow",
    "KERAS": "clary.compiler.sources.keras",
}
MISSING_SHARE = 0.1
"""Of the numbers of sampled rows, where the original bears it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the job was asked for. `dtype`: float32, float16 or int8, in which the model is to compute."""

    inputs: tuple[Input, ...] = ()
    dtype: str = "float32"
    input_dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to compile. `build` writes the files into a folder and answers what is to be known of them.

    It raises `Unsuitable` where this way is not open to this model.
    """

    name: str
    build: Callable[[Path], Manifest]


@dataclass(frozen=True, slots=True)
class Source:
    """A model that was read."""

    original: Model
    """All that it gives, to be compared."""
    call: Model
    """What its users call, to be measured."""
    called: str
    sample: Callable[[int, Any], Sequence[Any]]
    """Inputs of as many rows, from numpy's generator."""
    candidates: tuple[Candidate, ...]
    files: frozenset[Path]
    """The model's own; all others are carried over."""
    inputs: tuple[Input, ...] = ()
    """As they were found, where they were not given."""
    rows: int = 1
    """Of one call, where it has to be that many and no other number."""
    any_rows: bool = True
    batch: int = 100
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    """Files that the artefact holds whatever is chosen, and what writes them."""


def load(framework: str, folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    module = importlib.import_module(SOURCES[framework])
    return cast(Source, module.load(folder, wanted))


def only(folder: Path, suffixes: Sequence[str], framework: str) -> Path:
    """The one file of the model. Raises `Unsuitable` where there is none, or several."""
    found = [file for file in files(folder) if file.suffix in suffixes]
    if len(found) == 1:
        return found[0]
    kinds = " or ".join(suffixes)
    if not found:
        raise Unsuitable(f"No {kinds} file provided in the input model. Exactly one is required for {framework} models")
    names = ", ".join(str(file.relative_to(folder)) for file in found[:5])
    raise Unsuitable(f"Multiple {kinds} files provided in the input model: {names}. Exactly one is allowed")


def files(folder: Path) -> list[Path]:
    """Plain files that are no user code, in the order of their names."""
    found = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return [file for file in found if _is_model(file.relative_to(folder))]


def _is_model(file: Path) -> bool:
    return "code" not in file.parts[:-1] and not any(part.startswith(".") for part in file.parts)


def unloadable(framework: str, error: BaseException) -> Unsuitable:
    text = " ".join(str(error).split())
    return Unsuitable(f"Unable to load provided {framework} model. {type(error).__name__}: {text[:400]}")
