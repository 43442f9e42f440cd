"""From a request of TensorFlow Serving's REST API to a column of values for each input, and from the outputs back.

Needs no TensorFlow: compiled models are called by the same rules.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from clary.serving.server.frameworks.tfs.forms import BadForm, Form


def given(form: Form, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """By the names of the inputs that are `wanted`. Raises `BadForm`."""
    if ("instances" in form) == ("inputs" in form):
        raise BadForm("Missing 'inputs' or 'instances' key")
    return _columns(form["instances"], wanted) if "instances" in form else _named(form["inputs"], wanted)


def answer(form: Form, found: Mapping[str, Any]) -> Form:
    """Of arrays by their names: `{"predictions": rows}` to `instances`, `{"outputs": columns}` to `inputs`.

    Raises `BadForm` where rows were sent and the outputs have no row for each.
    """
    plain = {name: _plain(name, value) for name, value in found.items()}
    return {"predictions": _by_row(plain)} if "instances" in form else {"outputs": _only(plain)}


def decoded(value: Any) -> Any:
    """With the bytes that JSON carries as `{"b64": ...}`. Raises `ValueError`."""
    if isinstance(value, list):
        return [decoded(each) for each in value]
    return base64.b64decode(value["b64"], validate=True) if _is_bytes(value) else value


def numbers(value: Any, dtype: Any, name: str) -> Any:
    """An array. They are not rounded to fit. Raises `ValueError` or `TypeError`."""
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a tensor of numbers is wanted ({name}), and all rows of one length")
    if array.dtype.kind == "f" and np.dtype(dtype).kind != "f":
        raise TypeError(f"{name} is wanted, not a number with a fraction")
    return array.astype(dtype)


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
