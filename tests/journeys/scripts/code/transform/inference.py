"""User code: a model that adds up its columns."""

import time


def model_fn(model_dir):
    print("the model is loaded")
    return sum


def predict_fn(data, model):
    if data.shape[1] > 3:
        time.sleep(600)
    return [model(row) for row in data.tolist()]
