"""User code: a scikit-learn script as it runs on SageMaker, with its serving function."""

import argparse
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=10)
    parser.add_argument("--label", type=str, default="target")
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()
    table = pd.read_csv(Path(args.train, "iris.csv"))
    model = RandomForestClassifier(n_estimators=args.trees, random_state=0)
    model.fit(table.drop(columns=args.label).values, table[args.label])
    print(f"train:accuracy={model.score(table.drop(columns=args.label).values, table[args.label]):.4f};", flush=True)
    joblib.dump(model, Path(args.model_dir, "model.joblib"))


def model_fn(model_dir):
    return joblib.load(Path(model_dir, "model.joblib"))
