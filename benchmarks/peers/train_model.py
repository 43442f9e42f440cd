"""Runs in MLflow's environment: the two models that all servers serve, in each one's form. `train_model.py FOLDER`."""

import json
import sys
from pathlib import Path

import joblib
import mlflow.sklearn
import mlflow.xgboost
import numpy
import pandas
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROWS = 100
folder = Path(sys.argv[1])
features, labels = load_breast_cancer(return_X_y=True)
# As they are sent and read: both models see the same numbers everywhere.
features = features.astype(numpy.float32)
names = [f"f{number}" for number in range(features.shape[1])]
frame = pandas.DataFrame(features, columns=names)
options = {"objective": "binary:logistic", "max_depth": 4, "eval_metric": "auc", "nthread": 1}
booster = xgboost.train(options, xgboost.DMatrix(frame, labels), num_boost_round=60)
mlflow.xgboost.save_model(booster, folder / "mlflow-xgboost", input_example=frame[:1])
booster.feature_names = None
booster.save_model(folder / "model.json")
booster.save_model(folder / "xgboost-model.ubj")
(folder / "xgboost-model.ubj").rename(folder / "xgboost-model")

pipeline = make_pipeline(StandardScaler(), Ridge()).fit(features, labels)
joblib.dump(pipeline, folder / "model.joblib")
mlflow.sklearn.save_model(pipeline, folder / "mlflow-sklearn", skops_trusted_types=None, serialization_format="pickle")

sample = features[17 : 17 + ROWS]
expected = {
    "xgboost": booster.predict(xgboost.DMatrix(sample)).tolist(),
    "sklearn": pipeline.predict(sample).tolist(),
}
rows = [[float(str(value)) for value in row] for row in sample]
(folder / "rows.json").write_text(json.dumps({"names": names, "rows": rows, "expected": expected}))
