"""What a Python model of Triton's imports as `triton_python_backend_utils`, as far as one process can do it."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from clary.serving.server.frameworks.triton.tensors import DTYPES


class TritonModelException(Exception):
    pass


class TritonError:
    def __init__(self, message: str, code: int = 0) -> None:
        self._message = message

    def message(self) -> str:
        return self._message


class Tensor:
    def __init__(self, name: str, value: Any) -> None:
        self._name, self._value = name, np.asarray(value)

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Any:
        return self._value

    def shape(self) -> tuple[int, ...]:
        return tuple(self._value.shape)

    def is_cpu(self) -> bool:
        return True


class InferenceRequest:
    def __init__(
        self, inputs: Sequence[Tensor], requested_output_names: Sequence[str] = (), request_id: str = ""
    ) -> None:
        self._inputs, self._names, self._id = list(inputs), list(requested_output_names), request_id

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> list[str]:
        return self._names

    def request_id(self) -> str:
        return self._id


class InferenceResponse:
    def __init__(self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None) -> None:
        self._outputs, self._error = list(output_tensors), error

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return next((tensor for tensor in request.inputs() if tensor.name() == name), None)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    return next((tensor for tensor in response.output_tensors() if tensor.name() == name), None)


def get_input_config_by_name(model_config: Any, name: str) -> dict[str, Any] | None:
    return _named(model_config, "input", name)


def get_output_config_by_name(model_config: Any, name: str) -> dict[str, Any] | None:
    return _named(model_config, "output", name)


def triton_string_to_numpy(name: str) -> Any:
    """`TYPE_FP32` to `numpy.float32`."""
    short = name.removeprefix("TYPE_")
    return DTYPES["BYTES" if short == "STRING" else short]


def _named(model_config: Any, member: str, name: str) -> dict[str, Any] | None:
    config = json.loads(model_config) if isinstance(model_config, str) else model_config
    return next((entry for entry in config.get(member, []) if entry.get("name") == name), None)
