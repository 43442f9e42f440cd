"""The SavedModels of a folder, by name and version, and one call of one signature of one of them."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from clary.serving.server.frameworks.tfs import versions
from clary.serving.server.frameworks.tfs.forms import BadForm, Form

SIGNATURE = "serving_default"


class NoModel(LookupError):
    """What TensorFlow Serving answers 404 to."""


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
    """`{"predictions": rows}` to `instances`, `{"outputs": columns}` to `inputs`. Raises `BadForm`."""
    function = signature(model, form)
    wanted = function.structured_input_signature[1]
    by_row = "instances" in form
    if by_row == ("inputs" in form):
        raise BadForm("Missing 'inputs' or 'instances' key")
    columns = _columns(form["instances"], wanted) if by_row else _named(form["inputs"], wanted)
    answer = {name: _plain(name, value) for name, value in call(function, columns, wanted).items()}
    return {"predictions": _by_row(answer)} if by_row else {"outputs": _only(answer)}


def signature(model: Any, form: Form) -> Any:
    """The function that the request names. Raises `BadForm`."""
    name = form.get("signature_name") or SIGNATURE
    try:
        return model.signatures[name]
    except KeyError as error:
        raise BadForm(f'Serving signature name: "{name}" not found in signature def') from error


def call(function: Any, columns: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Its outputs as numpy arrays. Raises `BadForm` for what does not fit its inputs."""
    try:
        tensors = {name: _shaped(_tensor(value, wanted[name]), wanted[name]) for name, value in columns.items()}
        found = function(**tensors)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise BadForm(str(error).strip()[:2000]) from error
    return {name: tensor.numpy() for name, tensor in found.items()}


def _columns(rows: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise BadForm("'instances' must be a list of at least one element")
    if all(isinstance(row, dict) and not _is_bytes(row) for row in rows):
        return _checked({name: [row.get(name) for row in rows] for name in rows[0]}, wanted)
    return _sole(rows, wanted)


def _named(columns: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(columns, dict) and not _is_bytes(columns):
        return _checked(columns, wanted)
    return _sole(columns, wanted)


def _sole(value: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    if len(wanted) != 1:
        raise BadForm(f"Input is not named, and the signature has {len(wanted)} inputs: {', '.join(sorted(wanted))}")
    return {next(iter(wanted)): value}


def _checked(columns: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    if columns.keys() != wanted.keys():
        raise BadForm(
            f"Input names {', '.join(sorted(map(str, columns)))} are not those of the signature: "
            f"{', '.join(sorted(wanted))}"
        )
    return columns


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _tensor(value: Any, spec: Any) -> Any:
    """Raises `ValueError` or `TypeError`; numbers are not rounded to fit."""
    if spec.dtype == tf.string:
        return tf.constant(_decoded(value), tf.string)
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a tensor of numbers is wanted ({spec.dtype.name}), and all rows of one length")
    if array.dtype.kind == "f" and not spec.dtype.is_floating:
        raise TypeError(f"{spec.dtype.name} is wanted, not a number with a fraction")
    return tf.constant(array.astype(spec.dtype.as_numpy_dtype))


def _shaped(tensor: Any, spec: Any) -> Any:
    """A function called directly does not check what a session would."""
    if not spec.shape.is_compatible_with(tensor.shape):
        raise ValueError(f"an input of shape {tuple(tensor.shape)} does not fit the signature's shape {spec.shape}")
    return tensor


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return base64.b64decode(value["b64"], validate=True) if _is_bytes(value) else value


def _plain(name: str, value: Any) -> Any:
    """Lists for JSON. Numbers are as short as their type needs; bytes are base64 where the name ends with `_bytes`."""
    if value.dtype.kind == "O":
        return _worded(value.tolist(), name.endswith("_bytes"))
    if value.dtype.kind == "f" and value.dtype.itemsize < 8:
        value = value.astype("U").astype(np.float64)
    return value.tolist()


def _worded(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_worded(each, as_bytes) for each in value]
    return {"b64": base64.b64encode(value).decode()} if as_bytes else value.decode("utf-8", "replace")


def _by_row(answer: dict[str, Any]) -> list[Any]:
    sizes = {name: len(value) if isinstance(value, list) else -1 for name, value in answer.items()}
    if len(set(sizes.values())) != 1 or -1 in sizes.values():
        raise BadForm(f"The outputs do not have one row for each instance: {sizes}")
    if len(answer) == 1:
        rows: list[Any] = next(iter(answer.values()))
        return rows
    return [dict(zip(answer, row, strict=True)) for row in zip(*answer.values(), strict=True)]


def _only(answer: dict[str, Any]) -> Any:
    return next(iter(answer.values())) if len(answer) == 1 else answer
