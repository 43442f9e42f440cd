"""Starting a model server from a process that has imported its framework already. See `zygote.py`.

Where the framework's import takes most of a start, the rest is a fork. What a user's model brings of its own, packages
or settings of the interpreter, is not in that process: then a fresh interpreter is executed as always.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress

PRELOADS: Mapping[str, tuple[str, ...]] = {
    "sklearn": (
        "joblib",
        "scipy.sparse",
        "sklearn.cluster",
        "sklearn.compose",
        "sklearn.decomposition",
        "sklearn.ensemble",
        "sklearn.impute",
        "sklearn.linear_model",
        "sklearn.neighbors",
        "sklearn.neural_network",
        "sklearn.pipeline",
        "sklearn.preprocessing",
        "sklearn.svm",
    ),
    "pytorch": ("torch", "torch.jit", "torch.nn.functional"),
}
"""By framework of the plan: what its process imports beside the server. None of them may start a thread."""
OWN = ("PYTHON", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "TORCH_", "LD_")
"""Variables of a container that begin so are read when an interpreter or a library starts."""
SEEN = "/opt/clary/venv"
"""Where the sandbox shows the instance's environment."""


def suits(framework: str, environment: Mapping[str, str]) -> bool:
    """Whether a container with these variables can be started so."""
    return framework in PRELOADS and not any(name.startswith(OWN) for name in environment)


def modules(framework: str) -> None:
    """Import all of it. What an environment lacks, its models do not need."""
    for name in ("clary.serving.server.__main__", f"clary.serving.server.frameworks.{framework}"):
        importlib.import_module(name)
    for name in PRELOADS[framework]:
        with suppress(ImportError):
            importlib.import_module(name)


def main() -> None:
    """What the sandbox's process runs, in place of `python -m clary.serving.server`."""
    from clary.serving.server import __main__ as server
    from clary.serving.server import setup
    from clary.serving.server.config import from_environment

    _be_the_environments()
    config = from_environment(os.environ)
    server.log_to_output()
    setup.unpack(config)
    if setup.requirements(config).is_file():
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "clary.serving.server"])
    server.begin(config)


def _be_the_environments() -> None:
    """As an interpreter that was started from the instance's own environment."""
    own = f"{SEEN}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    sys.path.insert(next((at for at, path in enumerate(sys.path) if "site-packages" in path), len(sys.path)), own)
    sys.prefix = sys.exec_prefix = SEEN
    sys.executable = f"{SEEN}/bin/python"
    importlib.invalidate_caches()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    if "numpy" in sys.modules:
        # All forks would draw the same numbers.
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
