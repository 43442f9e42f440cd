"""Compiled models: what `clary.compiler` made, by the manifest in the artefact, with the codecs of its own framework.

A script may give the functions of the inference toolkits, or `neo_preprocess(payload, content_type)` and
`neo_postprocess(result)` as those of AWS's older Neo images, whose `model_fn` may load PyTorch's `model.pt` by itself.
TensorFlow's models keep TensorFlow Serving's contract, and its handlers (`tfs/`).
"""

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from clary.compiler import predictor
from clary.compiler.manifest import Manifest, read
from clary.compiler.predictor import Predictor
from clary.serving.server import codecs, script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded
from clary.serving.server.frameworks.tfs import compiled, handlers
from clary.serving.server.frameworks.tfs.served import Served, loaded
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve, choose_accept, media_type

LINE = "\n"
CSV, JSON, JSON_LINES, NPY = codecs.CSV, codecs.JSON, codecs.JSON_LINES, codecs.NPY
OWN = ("model_fn", "predict_fn", "transform_fn")
SCORED = "XGBOOST"
"""The framework whose answers have a form of their own."""


def load(config: Config) -> Loaded:
    """Raises what the manifest and the engine raise: then the instance does not start, and its log says why."""
    module = script.load_module(config.code_dir, config.program or "inference.py")
    if module and _is_pytorch(config.model_dir) and any(hasattr(module, name) for name in OWN):
        # Such scripts are about tensors and modules.
        from clary.serving.server.frameworks import pytorch

        return Loaded(script.build(module, pytorch.Defaults(), config.model_dir, config.default_accept))
    model = predictor.load(config.model_dir, config.threads)
    if model.manifest.framework == "TENSORFLOW" and (module is None or handlers.are_in(module)):
        models = compiled.Compiled(model, config.model_dir)
        served = Served(models, {"predict": compiled.predict}, config.default_accept)
        return loaded(served, module)
    if module and (hasattr(module, "neo_preprocess") or hasattr(module, "neo_postprocess")):
        return Loaded(_with_hooks(module, model, config.default_accept))
    if module:
        return Loaded(script.build(module, Defaults(model), config.model_dir, config.default_accept))
    return Loaded(_serving(Defaults(model), config.default_accept))


def _is_pytorch(folder: Path) -> bool:
    return read(folder).framework == "PYTORCH" and (folder / "model.pt").is_file()


class Defaults:
    """Of one compiled model. The rows of a body are one array, or a list of them where there are several inputs."""

    def __init__(self, model: Predictor) -> None:
        self._model, self._manifest = model, model.manifest
        self.is_scored = self._manifest.framework == SCORED
        self.default_accept = CSV if self.is_scored else JSON
        self.accepts = frozenset({JSON, CSV, JSON_LINES} if self.is_scored else {JSON, CSV, NPY, JSON_LINES})

    def model_fn(self, model_dir: str) -> Any:
        return self._model

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        kind = media_type(content_type)
        try:
            if kind == CSV:
                return self._fitted([_table(body)])
            if kind == JSON:
                return self._fitted(_named(json.loads(body), self._manifest))
            return self._fitted([codecs.decode(body, content_type)])
        except (ValueError, TypeError, RecursionError) as error:
            raise Refused(400, f"Unable to read the payload: {error}") from error

    def predict_fn(self, data: Any, model: Any) -> Any:
        try:
            return model.predict(*(data if isinstance(data, list) else [data]))
        except ValueError as error:
            raise Refused(400, f"Unable to evaluate payload provided: {error}") from error
        except Exception as error:
            # ONNX Runtime's own kinds of errors, of which one is the caller's doing.
            if type(error).__name__ != "InvalidArgument":
                raise
            raise Refused(400, f"Unable to evaluate payload provided: {error}") from error

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        if self.is_scored:
            return _SCORES[accept](prediction), accept
        if isinstance(prediction, list):
            if accept == JSON:
                return json.dumps([each.tolist() for each in prediction]).encode(), accept
            raise Refused(406, f"The model gives {len(prediction)} values; ask for {JSON}.")
        return codecs.encode(prediction, accept), accept

    def _fitted(self, found: list[Any]) -> Any:
        """With a batch where there is a single row."""
        if len(found) != len(self._manifest.shapes):
            raise ValueError(f"the model has {len(self._manifest.shapes)} inputs: {', '.join(self._manifest.names)}")
        arrays = [np.asarray(each) for each in found]
        if any(array.dtype.kind not in "fiub" for array in arrays):
            raise ValueError("the payload holds what is no number")
        fitted = [
            array[np.newaxis] if array.ndim + 1 == len(shape) else array
            for array, shape in zip(arrays, self._manifest.shapes, strict=True)
        ]
        return fitted[0] if len(fitted) == 1 else fitted


def _serving(defaults: Defaults, default_accept: str) -> Serve:
    """Without a script, and so without what only scripts need."""
    accept_by_default = default_accept or defaults.default_accept
    type_by_default = CSV if defaults.is_scored else JSON
    model = defaults.model_fn("")

    def serve(call: Invocation) -> Answer:
        accept = choose_accept(call.accept.replace("text/*", CSV), accept_by_default, defaults.accepts)
        data = defaults.input_fn(call.body, call.content_type or type_by_default)
        body, content_type = defaults.output_fn(defaults.predict_fn(data, model), accept)
        return Answer(200, content_type, body)

    return serve


def _with_hooks(module: ModuleType, model: Predictor, default_accept: str) -> Serve:
    defaults = Defaults(model)
    before = getattr(module, "neo_preprocess", None)
    after = getattr(module, "neo_postprocess", None)

    def serve(call: Invocation) -> Answer:
        given = before(call.body, call.content_type) if before else defaults.input_fn(call.body, call.content_type)
        if isinstance(given, dict):
            given = [given[name] for name in model.manifest.names]
        found = defaults.predict_fn(given, model)
        if after is None:
            accept = choose_accept(call.accept, default_accept or defaults.default_accept, defaults.accepts)
            body, content_type = defaults.output_fn(found, accept)
            return Answer(200, content_type, body)
        said = after(found)
        body, content_type = said if isinstance(said, tuple) else (said, default_accept or JSON)
        return Answer(200, content_type, body.encode() if isinstance(body, str) else bytes(body))

    return serve


def _table(body: bytes | str) -> Any:
    """One row without numpy's parser, which takes longer for it than all the rest."""
    text = body if isinstance(body, str) else body.decode()
    line = text.strip("\r\n")
    if "\n" in line:
        return codecs.csv_numbers(text)
    return np.array([[float(cell) if cell.strip() else np.nan for cell in line.split(",")]])


def _named(found: Any, manifest: Manifest) -> list[Any]:
    """Arrays in the inputs' order, of the forms in which JSON carries them."""
    if isinstance(found, dict):
        if all(name in found for name in manifest.names):
            return [found[name] for name in manifest.names]
        inner = next((found[key] for key in ("instances", "inputs", "data") if key in found), None)
        if inner is None:
            raise ValueError(f"a JSON object has to hold {', '.join(manifest.names)}, or instances")
        return _named(inner, manifest)
    if len(manifest.names) == 1:
        return [found]
    if found and isinstance(found[0], dict):
        return [[row[name] for row in found] for name in manifest.names]
    return list(found)


def _csv(scores: Any) -> bytes:
    """As the built-in algorithm writes them: in batch transform a row is a line."""
    rows = scores.tolist()
    if scores.ndim == 2:
        return LINE.join(",".join(map(str, row)) for row in rows).encode()
    return (LINE if os.environ.get("SAGEMAKER_BATCH", "").lower() == "true" else ",").join(map(str, rows)).encode()


def _json(scores: Any) -> bytes:
    return json.dumps({"predictions": [{"score": score} for score in scores.tolist()]}).encode()


def _lines(scores: Any) -> bytes:
    return "".join(json.dumps({"score": score}) + "\n" for score in scores.tolist()).encode()


_SCORES = {CSV: _csv, JSON: _json, JSON_LINES: _lines}
