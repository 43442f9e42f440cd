"""scikit-learn's defaults, as its AWS container has them: the user's script must at least load the model."""

from typing import Any

import numpy as np

from clary.serving.server import codecs, script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded, arrays
from clary.serving.server.invocation import media_type


class Defaults:
    default_accept = codecs.JSON
    accepts = frozenset({codecs.JSON, codecs.CSV, codecs.NPY})

    def model_fn(self, model_dir: str) -> Any:
        raise NotImplementedError("Please provide a model_fn implementation. See documentation for model_fn.")

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """Two-dimensional; text becomes float32 unless it is no number."""
        if media_type(content_type) == codecs.CSV:
            return codecs.csv_table(body).astype(np.float32)
        data = codecs.decode(body, content_type)
        if media_type(content_type) == codecs.JSON and data.dtype.kind in "biuf":
            data = data.astype(np.float32)
        return data.reshape(1, -1) if data.ndim == 1 else data

    def predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data)

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        return codecs.encode(prediction, accept), accept


def load(config: Config) -> Loaded:
    module = script.load_module(config.code_dir, config.program or "inference.py")
    serve = script.build(module, Defaults(), config.model_dir, config.default_accept)
    arrays.are_no_frames()
    return Loaded(serve, execution_parameters=script.execution_parameters(module))
