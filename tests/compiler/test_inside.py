"""The compiler's own code, tested where it runs: in its runtime environment, by a pytest of its own."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
from tests.servers import REPOSITORY
from tests.serving.artefacts import python

from clary.runtime import shims

INSIDE = Path(__file__).parent / "inside"


@pytest.mark.timeout(600)
def test_inside_the_runtime_environment(tmp_path: Path) -> None:
    # pytest and its parts are pure Python: both interpreters can import them. One process: importing takes longest.
    path = [str(shims.package_root()), sysconfig.get_paths()["purelib"]]
    words = ["-o", "python_files=check_*.py", "-W", "default", "-p", "no:randomly", "-o", "addopts=", "-q"]
    done = subprocess.run(
        [str(python("neo")), "-m", "pytest", *words, "--basetemp", str(tmp_path / "inner"), str(INSIDE)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
