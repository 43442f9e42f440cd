"""The compiler's own code, tested where it runs: in its runtime environments, by pytests of their own."""

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
@pytest.mark.parametrize(("environment", "files"), [("neo", "check_*.py"), ("tensorflow", "tensorflow_*.py")])
def test_inside_the_runtime_environment(tmp_path: Path, environment: str, files: str) -> None:
    # pytest and its parts are pure Python: both interpreters can import them. One process: importing takes longest.
    path = [str(shims.package_root()), sysconfig.get_paths()["purelib"]]
    words = ["-o", f"python_files={files}", "-W", "default", "-o", "addopts=", "-q"]
    done = subprocess.run(
        [str(python(environment)), "-m", "pytest", *words, "--basetemp", str(tmp_path / "inner"), str(INSIDE)],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
