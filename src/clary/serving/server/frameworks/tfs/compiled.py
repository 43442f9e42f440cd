"""A compiled TensorFlow model behind the contract that it had as a SavedModel. Runs where there is no TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.predictor import Predictor
from clary.serving.server.frameworks.tfs import columns
from clary.serving.server.frameworks.tfs.forms import BadForm, Form, NoModel

NAME, VERSION = "model", 1
SIGNATURE = "serving_default"


class Compiled:
    """One model in one version, called `model`, as AWS's image calls one that is not named."""

    def __init__(self, model: Predictor, folder: Path) -> None:
        self._model = model
        self.default = NAME
        self.paths = {NAME: {VERSION: folder}}

    def get(self, name: str = "", version: str = "") -> Predictor:
        """Raises `NoModel`."""
        if name not in ("", NAME) or version not in ("", str(VERSION)):
            raise NoModel(f"Servable not found for request: Specific({name or NAME}, {version or VERSION})")
        return self._model


def predict(model: Predictor, form: Form) -> Form:
    """Raises `BadForm`."""
    named = form.get("signature_name") or SIGNATURE
    if named != SIGNATURE:
        raise BadForm(f'Serving signature name: "{named}" not found in signature def')
    return columns.answer(form, _call(model, columns.given(form, dict.fromkeys(model.manifest.names))))


def _call(model: Predictor, values: dict[str, Any]) -> dict[str, Any]:
    manifest = model.manifest
    specs = zip(manifest.names, manifest.shapes, manifest.dtypes, strict=True)
    try:
        found = model.outputs(
            [_shaped(columns.numbers(values[name], dtype, dtype), shape) for name, shape, dtype in specs]
        )
    except (ValueError, TypeError) as error:
        raise BadForm(str(error)) from error
    except Exception as error:
        # ONNX Runtime's own kinds of errors, of which one is the caller's doing.
        if type(error).__name__ != "InvalidArgument":
            raise
        raise BadForm(str(error)) from error
    names = manifest.outputs or tuple(f"output_{at}" for at in range(len(found)))
    return dict(zip(names, map(np.asarray, found), strict=True))


def _shaped(array: Any, shape: tuple[int, ...]) -> Any:
    if array.shape[1:] != shape[1:]:
        raise ValueError(f"an input of shape {array.shape} does not fit the compiled model's shape {shape}")
    return array
