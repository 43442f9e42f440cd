"""The algorithms' own code, tested where it runs: in its runtime environment, by a pytest of its own.

The files are `inside/check_*.py`, because the outer pytest's Python has none of the libraries they import.
"""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
from tests.servers import REPOSITORY
from tests.serving.artefacts import python

from clary.runtime import shims

INSIDE = Path(__file__).parent / "inside"
SLOW = [str(INSIDE / "check_train.py")]
FAST = sorted({str(file) for file in INSIDE.glob("check_*.py")}.difference(SLOW))
"""In one process: importing the libraries takes longer than most of them."""


@pytest.fixture(scope="session")
def xgboost_python() -> Path:
    """The interpreter of the managed XGBoost runtime."""
    return python("xgboost")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("names", [SLOW, FAST], ids=["training", "all else"])
def test_inside_the_runtime_environment(xgboost_python: Path, names: list[str], tmp_path: Path) -> None:
    # pytest and its parts are pure Python: both interpreters can import them.
    path = [str(shims.package_root()), sysconfig.get_paths()["purelib"]]
    words = ["-o", "python_files=check_*.py", "-W", "default", "-o", "addopts=", "-q"]
    done = subprocess.run(
        [str(xgboost_python), "-m", "pytest", *words, "--basetemp", str(tmp_path / "inner"), *names],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
