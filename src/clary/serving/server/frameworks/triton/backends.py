"""What runs a model of a repository: by the file in its version's folder. Arrays in by name, arrays out by name."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clary.serving.server.frameworks.triton import pb_utils
from clary.serving.server.invocation import Refused

Run = Callable[[dict[str, Any]], dict[str, Any]]
FILES = ("model.onnx", "model.pt", "model.py")


def load(folder: Path, config: dict[str, Any]) -> Run:
    """`folder` is a version's. Raises `ValueError` for a backend that is not here."""
    if (folder / "model.onnx").is_file():
        return _onnx(folder / "model.onnx")
    if (folder / "model.pt").is_file():
        from clary.serving.server.frameworks.triton import torchscript

        return torchscript.load(folder / "model.pt", config)
    if (folder / "model.py").is_file():
        return _python(folder / "model.py", config)
    raise ValueError(f"{folder.parent.name} has none of {', '.join(FILES)}; other backends of Triton are not here.")


def _onnx(file: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    wanted, given = [each.name for each in session.get_inputs()], [each.name for each in session.get_outputs()]

    def run(inputs: dict[str, Any]) -> dict[str, Any]:
        _check(inputs, wanted)
        try:
            return dict(zip(given, session.run(None, inputs), strict=True))
        except Exception as error:
            # onnxruntime's own classes for a wrong type or shape are not public.
            if "InvalidArgument" in type(error).__name__:
                raise Refused(400, str(error)) from error
            raise

    return run


def _python(file: Path, config: dict[str, Any]) -> Run:
    sys.modules["triton_python_backend_utils"] = pb_utils
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(f"triton_{file.parent.parent.name}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    if hasattr(model, "initialize"):
        model.initialize(
            {
                "model_config": json.dumps(config),
                "model_instance_kind": "CPU",
                "model_instance_device_id": "0",
                "model_repository": str(file.parent.parent),
                "model_version": file.parent.name,
                "model_name": config.get("name") or file.parent.parent.name,
            }
        )

    def run(inputs: dict[str, Any]) -> dict[str, Any]:
        request = pb_utils.InferenceRequest([pb_utils.Tensor(name, value) for name, value in inputs.items()])
        (response,) = model.execute([request])
        if response.has_error():
            raise RuntimeError(response.error().message())
        return {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}

    return run


def _check(inputs: dict[str, Any], wanted: list[str]) -> None:
    if inputs.keys() != set(wanted):
        raise Refused(400, f"expected inputs {', '.join(wanted)}, got {', '.join(inputs)}")
