"""BentoML's service: one row of CSV as text in, the score as text out."""

import os

import bentoml
import numpy as np
import xgboost


@bentoml.service
class Model:
    def __init__(self) -> None:
        self.booster = xgboost.Booster(model_file=os.environ["BENCH_MODEL"])
        self.booster.set_param({"nthread": 1})

    @bentoml.api
    def predict(self, row: str, /) -> str:
        values = np.array([row.split(",")], dtype=np.float32)
        return str(self.booster.inplace_predict(values)[0])
