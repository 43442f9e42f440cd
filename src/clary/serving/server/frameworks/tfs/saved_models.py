"""The SavedModels of a folder, by name and version, and one call of one signature of one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from clary.serving.server.frameworks.tfs import columns, versions
from clary.serving.server.frameworks.tfs.forms import BadForm, Form, NoModel

SIGNATURE = "serving_default"


class SavedModels:
    """The newest version of each is loaded at once, the others when they are first asked for."""

    def __init__(self, folder: Path, default: str = "") -> None:
        """Raises `ValueError` for a folder without a SavedModel below a version's number."""
        self.paths = versions.find(folder)
        self.default = default or next(iter(self.paths))
        if self.default not in self.paths:
            raise ValueError(f"SAGEMAKER_TFS_DEFAULT_MODEL_NAME is {default}; there are {', '.join(self.paths)}.")
        self._loaded: dict[tuple[str, int], Any] = {}
        for name, numbered in self.paths.items():
            self.get(name, str(max(numbered)))

    def get(self, name: str = "", version: str = "") -> Any:
        """The default model, and its newest version, where nothing is named. Raises `NoModel`."""
        name = name or self.default
        numbered = self.paths.get(name, {})
        number = int(version) if version.isdigit() else -1 if version else max(numbered, default=-1)
        if number not in numbered:
            wanted = f"Latest({name})" if not version else f"Specific({name}, {version})"
            raise NoModel(f"Servable not found for request: {wanted}")
        if (name, number) not in self._loaded:
            self._loaded[name, number] = tf.saved_model.load(str(numbered[number]))
        return self._loaded[name, number]


def predict(model: Any, form: Form) -> Form:
    """One call of a signature. Raises `BadForm`."""
    function = signature(model, form)
    wanted = function.structured_input_signature[1]
    return columns.answer(form, call(function, columns.given(form, wanted), wanted))


def signature(model: Any, form: Form) -> Any:
    """The function that the request names. Raises `BadForm`."""
    name = form.get("signature_name") or SIGNATURE
    try:
        return model.signatures[name]
    except KeyError as error:
        raise BadForm(f'Serving signature name: "{name}" not found in signature def') from error


def call(function: Any, values: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Its outputs as numpy arrays. Raises `BadForm` for what does not fit its inputs."""
    try:
        tensors = {name: _shaped(_tensor(value, wanted[name]), wanted[name]) for name, value in values.items()}
        found = function(**tensors)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise BadForm(str(error).strip()[:2000]) from error
    return {name: tensor.numpy() for name, tensor in found.items()}


def _tensor(value: Any, spec: Any) -> Any:
    """Raises `ValueError` or `TypeError`."""
    if spec.dtype == tf.string:
        return tf.constant(columns.decoded(value), tf.string)
    return tf.constant(columns.numbers(value, spec.dtype.as_numpy_dtype, spec.dtype.name))


def _shaped(tensor: Any, spec: Any) -> Any:
    """A function called directly does not check what a session would."""
    if not spec.shape.is_compatible_with(tensor.shape):
        raise ValueError(f"an input of shape {tuple(tensor.shape)} does not fit the signature's shape {spec.shape}")
    return tensor
