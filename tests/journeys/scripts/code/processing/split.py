"""Splits a table; run by the processing journeys."""

import argparse
import sys
from pathlib import Path

import pandas as pd
from sizes import test_rows

parser = argparse.ArgumentParser()
parser.add_argument("--share", type=float, default=0.2)
given = parser.parse_args()
root = Path("/opt/ml/processing")
(table,) = (root / "input/data").glob("*.csv")
frame = pd.read_csv(table)
count = test_rows(len(frame), given.share)
frame[count:].to_csv(root / "output/train/train.csv", index=False)
frame[:count].to_csv(root / "output/test/test.csv", index=False)
print(f"split {len(frame)} rows", *[name for name in ("torch", "xgboost") if name in sys.argv], flush=True)
