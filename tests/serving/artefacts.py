"""Real model artefacts, made by the managed environments that also serve them."""

import subprocess
import tarfile
from pathlib import Path

from tests.servers import CACHE, wait_until

from clary.runtime.environments import Shelf

BUILD_SECONDS = 280.0

TRAIN_XGBOOST = """
import sys, numpy, xgboost
rows = numpy.random.default_rng(0).normal(size=(500, 4))
model = xgboost.train({"max_depth": 3}, xgboost.DMatrix(rows, rows @ [1, 2, 3, 4]), num_boost_round=20)
model.save_model("model.ubj")
open("xgboost-model", "wb").write(open("model.ubj", "rb").read())
print(float(model.inplace_predict(numpy.array([[0.1, 0.2, 0.3, 0.4]], "float32"))[0]))
"""
ECHO = """
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    return body, content_type
"""
ROW = b"0.1,0.2,0.3,0.4"


def python(name: str) -> Path:
    """The interpreter of a managed environment, built if it is not there."""
    shelf = Shelf(CACHE / "environments")
    wait_until(lambda: shelf.prepare(name) is None, BUILD_SECONDS)
    return shelf.path(name) / "bin" / "python"


def xgboost_archive(folder: Path) -> tuple[Path, float]:
    """`model.tar.gz` of algorithm mode, and what the model predicts for `ROW`."""
    done = subprocess.run(
        [python("xgboost"), "-c", TRAIN_XGBOOST], cwd=folder, capture_output=True, text=True, check=True
    )
    return archive(folder, "xgboost-model"), float(done.stdout.split()[-1])


def echo_archive(folder: Path) -> Path:
    """A model archive of scikit-learn whose script gives back what it gets."""
    (folder / "inference.py").write_text(ECHO)
    made = folder / "model.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
    return made


def archive(folder: Path, *names: str) -> Path:
    made = folder / "model.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        for name in names:
            tar.add(folder / name, name)
    return made
