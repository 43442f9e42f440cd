"""scikit-learn predicts the same, of anything, with arrays told from dataframes at once."""

import os
import subprocess

from tests.servers import REPOSITORY
from tests.serving.artefacts import python

SCRIPT = """
import numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
import narwhals.stable.v2 as nw
from clary.serving.server.frameworks import arrays

numbers = np.random.default_rng(0).normal(size=(60, 4))
classes = (numbers[:, 0] > 0).astype(int)
frame = pd.DataFrame(numbers, columns=list("abcd"))
parts = ColumnTransformer([("one", StandardScaler(), [0, 1]), ("two", OneHotEncoder(handle_unknown="ignore"), [2])])
models = [
    each.fit(numbers, classes)
    for each in (
        RandomForestClassifier(3, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
        KNeighborsClassifier(),
        make_pipeline(parts, LogisticRegression()),
    )
] + [LogisticRegression().fit(frame, classes)]


class Own(np.ndarray):
    pass


rows = [
    *(numbers[:1].astype("f4"), numbers, numbers[:3, :2], numbers[:2].tolist(), np.full((1, 4), np.nan), numbers[0]),
    *(numbers[:0], numbers[:2].astype(object), numbers[:2].view(Own), np.ma.masked_array(numbers[:2])),
    *(frame[:3], frame[:3].rename(columns={"a": "z"}), frame["a"]),
]


def predicted(model, given):
    try:
        found = model.predict(given)
        return found.dtype.str, found.shape, found.tobytes()
    except Exception as error:
        return type(error).__name__, str(error)


def everything():
    return [predicted(model, given) for model in models for given in rows]


before = everything()
original = nw.dependencies.is_into_dataframe
arrays.are_no_frames()
replaced = nw.dependencies.is_into_dataframe
arrays.are_no_frames()
asked = [nw.dependencies.is_into_dataframe(each) for each in (frame, numbers, numbers.tolist())]
print(everything() == before, len({each for each in before}) > 10)
print(replaced is not original, nw.dependencies.is_into_dataframe is replaced, asked)
"""


def test_predictions_are_the_same() -> None:
    done = subprocess.run(
        [python("sklearn"), "-W", "ignore", "-c", SCRIPT],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
    )
    assert (done.stdout.splitlines(), done.stderr) == (["True True", "True True [True, False, False]"], "")
