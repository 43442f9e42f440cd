"""XGBoost's defaults in script mode: the script must load the model; a `DMatrix` goes in and scores come out."""

from typing import Any

import xgboost

from clary.algorithms.xgboost import serve as algorithm
from clary.serving.server import codecs
from clary.serving.server.frameworks.xgboost_algorithm import ACCEPTS, CSV, FEW, JSON, refusing, rows
from clary.serving.server.invocation import media_type


class Defaults:
    default_accept = CSV
    accepts = ACCEPTS

    def model_fn(self, model_dir: str) -> Any:
        raise NotImplementedError("Please provide a model_fn implementation. See documentation for model_fn.")

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        raw = body.encode() if isinstance(body, str) else body
        is_json = media_type(content_type) == JSON
        found = codecs.decode(raw, JSON) if is_json else refusing(rows, raw, content_type)
        if isinstance(found, xgboost.DMatrix):
            return found
        return xgboost.DMatrix(found, nthread=1 if len(raw) <= FEW else None)

    def predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data)

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        return refusing(algorithm.output_fn, prediction, accept)
