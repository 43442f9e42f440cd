"""Runs in MLflow's environment: the one model that all servers serve, in each one's form. `train_model.py FOLDER`."""

import json
import sys
from pathlib import Path

import mlflow.xgboost
import pandas
import xgboost
from sklearn.datasets import load_breast_cancer

folder = Path(sys.argv[1])
features, labels = load_breast_cancer(return_X_y=True)
names = [f"f{number}" for number in range(features.shape[1])]
frame = pandas.DataFrame(features, columns=names)
options = {"objective": "binary:logistic", "max_depth": 4, "eval_metric": "auc", "nthread": 1}
booster = xgboost.train(options, xgboost.DMatrix(frame, labels), num_boost_round=60)
mlflow.xgboost.save_model(booster, folder / "mlflow", input_example=frame[:1])
booster.feature_names = None
booster.save_model(folder / "model.json")
booster.save_model(folder / "xgboost-model.ubj")
(folder / "xgboost-model.ubj").rename(folder / "xgboost-model")
row = features[17].tolist()
expected = float(booster.predict(xgboost.DMatrix(features[17:18]))[0])
(folder / "row.json").write_text(json.dumps({"names": names, "row": row, "expected": expected}))
