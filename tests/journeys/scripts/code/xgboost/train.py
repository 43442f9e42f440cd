"""User code: an XGBoost script as it runs on SageMaker, with its serving functions."""

import argparse
import os
from pathlib import Path

import numpy as np
import xgboost

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_round", type=int)
    parser.add_argument("--max_depth", type=int)
    args = parser.parse_args()
    table = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAIN"], "diabetes.csv"), delimiter=",")
    data = xgboost.DMatrix(table[:, 1:], table[:, 0])
    model = xgboost.train({"max_depth": args.max_depth}, data, args.num_round, evals=[(data, "train")])
    model.save_model(Path(os.environ["SM_MODEL_DIR"], "xgboost-model.json"))


def model_fn(model_dir):
    model = xgboost.Booster()
    model.load_model(Path(model_dir, "xgboost-model.json"))
    return model
