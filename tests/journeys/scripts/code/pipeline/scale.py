"""The first container of a pipeline: standardises, and answers CSV."""

import json
from pathlib import Path

import numpy as np


def model_fn(model_dir):
    return json.loads((Path(model_dir) / "model.json").read_text())


def predict_fn(data, model):
    return (data - np.array(model["mean"])) / np.array(model["scale"])


def output_fn(prediction, accept):
    return "\n".join(",".join(map(str, row)) for row in prediction), "text/csv"
