"""Starting a model server from a process that has imported its framework already. See `zygote.py`.

Where the framework's import takes most of a start, the rest is a fork. What a user's model brings of its own, packages
or settings of the interpreter, is not in that process: then a fresh interpreter is executed as always.
"""

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from clary.runtime.shim import nursery
from clary.serving.server import lean

NEEDED: Mapping[str, tuple[str, ...]] = {
    "sklearn": ("joblib", "sklearn.ensemble", "sklearn.pipeline", "sklearn.preprocessing"),
    "pytorch": ("torch", "torch.jit", "torch.nn.functional"),
}
"""By framework of the plan: what its process imports beside the server, before the first fork."""
USEFUL: Mapping[str, tuple[str, ...]] = {
    "sklearn": (
        "pandas",
        "sklearn.cluster",
        "sklearn.compose",
        "sklearn.decomposition",
        "sklearn.impute",
        "sklearn.neural_network",
        "sklearn.svm",
    ),
    "pytorch": (),
}
"""What it imports later. Nothing of either may start a thread."""
OWN = (
    *("PYTHON", "LD_", "MALLOC_", "GLIBC_", "LANG", "LC_"),
    *("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "GOTO_", "MKL_", "DNNL_", "ONEDNN_", "NUMEXPR_"),
    *("NPY_", "NUMPY_", "SCIPY_", "SKLEARN_", "PANDAS_", "ARROW_", "JE_ARROW_", "JOBLIB_", "LOKY_"),
    *("TORCH", "PYTORCH_", "ATEN_", "CUDA_"),
)
"""Variables of a container that begin so are read when an interpreter or a library starts."""
SEEN = "/opt/clary/venv"
"""Where the sandbox shows the instance's environment."""
threads = 0
"""In a process that was forked so: the OpenMP threads that its libraries have been told of."""
_variables: dict[str, str] = {}
"""That libraries have set for themselves, and for processes that they start."""


def suits(framework: str, environment: Mapping[str, str]) -> bool:
    """Whether a container with these variables can be started so."""
    return framework in NEEDED and not any(name.startswith(OWN) for name in environment)


def needed(framework: str) -> None:
    """Import the server and what the framework's models need."""
    for name in ("clary.serving.server.__main__", f"clary.serving.server.frameworks.{framework}"):
        importlib.import_module(name)
    if framework == "sklearn":
        # It imports it where it finds it, for a third of its own time, and uses it where it is given its tables.
        lean.hide("pandas")
    _import(NEEDED[framework])
    lean.show()
    if framework == "sklearn":
        _find_pandas_later()


def useful(framework: str) -> None:
    """Import what many models import beside it."""
    _import(USEFUL[framework])


def main() -> None:
    """What the sandbox's process runs, in place of `python -m clary.serving.server`."""
    from clary.serving.server import __main__ as server
    from clary.serving.server import setup
    from clary.serving.server.config import from_environment

    _be_the_environments()
    nursery.show(b"python\0-m\0clary.serving.server\0")
    sys.argv[:] = [server.__file__]
    config = from_environment(os.environ)
    server.log_to_output()
    setup.unpack(config)
    if setup.requirements(config).is_file() or config.threads != threads:
        sys.stdout.flush()
        os.execv(sys.executable, ["python", "-m", "clary.serving.server"])
    server.begin(config)


def give_threads() -> None:
    """For each worker: those of linear algebra, which are threads of a process and were not to be in the one forked.

    Nothing to do in a server that was executed.
    """
    count = int(os.environ.get("OPENBLAS_NUM_THREADS") or os.environ["OMP_NUM_THREADS"])
    if threads and count > 1:
        from threadpoolctl import ThreadpoolController

        ThreadpoolController().limit(limits=count, user_api="blas")


def _import(names: tuple[str, ...]) -> None:
    """What an environment lacks, its models do not need."""
    before = set(os.environ)
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
    _variables.update({name: os.environ[name] for name in os.environ.keys() - before})


def _find_pandas_later() -> None:
    """The one name that scikit-learn would have bound to it, for whoever looks."""
    fixes: Any = sys.modules.get("sklearn.utils.fixes")

    def find(name: str) -> Any:
        if name != "pd":
            raise AttributeError(f"module {fixes.__name__!r} has no attribute {name!r}")
        return importlib.import_module("pandas")

    if getattr(fixes, "pd", fixes) is None:
        del fixes.pd
        fixes.__getattr__ = find


def _be_the_environments() -> None:
    """As an interpreter that was started from the instance's own environment."""
    for name, value in _variables.items():
        os.environ.setdefault(name, value)
    sys.path[:] = _search_path(*sys.path)
    sys.prefix = sys.exec_prefix = SEEN
    sys.executable = f"{SEEN}/bin/python"
    multiprocessing.set_executable(sys.executable)
    importlib.invalidate_caches()
    time.tzset()
    if "numpy" in sys.modules:
        # All forks would draw the same numbers.
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


def _search_path(package: str, _: str, *interpreters: str) -> list[str]:
    """As `runtime/layer.py` makes it. Given: that of the process forked, to which the package was added in front."""
    own = f"{SEEN}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    first = next((at for at, path in enumerate(interpreters) if "site-packages" in path), len(interpreters))
    return [str(Path.cwd()), *interpreters[:first], own, *interpreters[first:], package]
