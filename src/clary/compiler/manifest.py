"""`compiled_model.json`: what a compiled artefact says of itself. The job writes it, engines and the server read it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = "compiled_model.json"
REPORT = "compilation-report.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`answer`: the model gives `values`, or scores of which the class with the highest is the answer, as `labels`."""

    engine: str
    framework: str
    files: tuple[str, ...]
    names: tuple[str, ...]
    """Of the inputs, in their order."""
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    """Their names, where the model has any."""
    answer: str = "values"
    classes: tuple[Any, ...] = ()
    seconds: float = 0.0
    """What a single row took when it was measured."""
    options: dict[str, Any] = field(default_factory=dict)
    """The engine's own."""


def write(folder: Path, manifest: Manifest) -> None:
    (folder / FILE).write_text(json.dumps({"format": 1, **asdict(manifest)}, indent=1) + "\n")


def read(folder: Path) -> Manifest:
    """Raises `FileNotFoundError` where no compiled model is, `ValueError` for one that is not understood."""
    found = json.loads((folder / FILE).read_text())
    if not isinstance(found, dict) or found.pop("format", None) != 1:
        raise ValueError(f"{FILE} is not of a format that this version reads")
    try:
        return Manifest(
            **found
            | {name: tuple(found[name]) for name in ("files", "names", "dtypes", "classes")}
            | {"outputs": tuple(found.get("outputs", ()))}
            | {"shapes": tuple(map(tuple, found["shapes"]))}
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{FILE} is incomplete: {error}") from error
