"""Tree ensembles as native code: `forest.c` compiled for one model and this machine's CPU, its arrays beside it.

`compiled.so` is for the CPU that it was made on, `compiled.portable.so` for any of its kind; `compiled.params` holds
the arrays. The code is as small for ten thousand trees as for one, so that the C compiler takes a second or two;
branches generated for each split of a large forest take it hours.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.engines import Model, NotHere
from clary.compiler.engines.trees import Trees
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest

NATIVE, PORTABLE, PARAMS, SOURCE = "compiled.so", "compiled.portable.so", "compiled.params", "compiled.c"
ARRAYS = ("nodes", "slots", "values", "roots", "depths", "outputs", "base", "share", "sets")
ROWS_PER_THREAD = 512
"""Fewer are not worth a second thread."""


class _Forest(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ARRAYS]


def compiler() -> str | None:
    """The C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(trees: Trees, folder: Path) -> dict[str, Any]:
    """Write the artefact's files; answers the manifest's options. Raises `Unsuitable` without a C compiler."""
    found = compiler()
    if found is None:
        raise Unsuitable("tree ensembles are compiled by the machine's C compiler (gcc or clang), and it has none")
    shutil.copyfile(Path(__file__).with_name("forest.c"), folder / SOURCE)
    np.savez(folder / "params.npz", **{name: trees.arrays[name] for name in ARRAYS})
    (folder / "params.npz").rename(folder / PARAMS)
    native = ["-mcpu=native"] if platform.machine() == "aarch64" else ["-march=native"]
    _compile(found, trees, folder, NATIVE, native)
    _compile(found, trees, folder, PORTABLE, [])
    return {
        "features": trees.features,
        "outputs": trees.outputs,
        "input": "float32" if trees.input == "float" else "float64",
        "value": "float32" if trees.value == "float" else "float64",
        "machine": platform.machine(),
        "cpu": cpu(),
    }


def _compile(compiler: str, trees: Trees, folder: Path, name: str, flags: list[str]) -> None:
    defined = {
        "INPUT": trees.input,
        "VALUE": trees.value,
        "FEATURES": trees.features,
        "OUTPUTS": trees.outputs,
        "TREES": trees.trees,
        "LINK": trees.link,
        "SLOPE": repr(trees.slope),
        "VECTOR": int(trees.is_vector),
        "CATEGORIES": int(trees.has_categories),
    }
    definitions = [f"-D{key}={value}" for key, value in defined.items()]
    command = [compiler, "-O3", *flags, "-shared", "-fPIC", "-w", *definitions, SOURCE, "-o", name, "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unsuitable(f"the C compiler failed: {done.stderr.strip()[-500:]}")


def cpu() -> str:
    """What code for this CPU may use; empty where it is not told."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    flags = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return " ".join(sorted(next(flags, [])))


def load(folder: Path, manifest: Manifest, threads: int) -> Model:
    """Raises `NotHere` on another kind of CPU."""
    options = manifest.options
    if options["machine"] != platform.machine():
        raise NotHere(f"The model was compiled for {options['machine']}, and this machine is {platform.machine()}.")
    is_same = set(str(options["cpu"]).split()) <= set(cpu().split()) and bool(options["cpu"])
    return Forest(folder, NATIVE if is_same else PORTABLE, options, threads)


class Forest:
    """Callable as a `Model`: one input of rows, one output of scores."""

    def __init__(self, folder: Path, library: str, options: dict[str, Any], threads: int) -> None:
        # Not through a path that another model may have had: libraries are known by it.
        self._library = ctypes.CDLL(os.fspath((folder / library).resolve()))
        self._predict = self._library.predict
        self._predict.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        self._predict.restype = None
        self._arrays = _read(folder / PARAMS)
        pointers = {name: array.ctypes.data for name, array in self._arrays.items()}
        self._forest = _Forest(**pointers)
        self._at = ctypes.addressof(self._forest)
        self._features, self._outputs = int(options["features"]), int(options["outputs"])
        self._input, self._value = np.dtype(options["input"]), np.dtype(options["value"])
        self._single = (1, self._features)
        self._kept = threading.local()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """Raises `ValueError` for rows of another width."""
        x = np.asarray(inputs[0])
        if x.shape == self._single:
            return [self._one(x)]
        x = np.ascontiguousarray(x, self._input)
        if x.ndim != 2 or x.shape[1] != self._features:
            raise ValueError(f"The model takes rows of {self._features} numbers, and was given {list(x.shape)}.")
        out = np.empty((len(x), self._outputs), self._value)
        if self._pool is None or len(x) < 2 * ROWS_PER_THREAD:
            self._part(x, out)
        else:
            self._in_parts(x, out)
        return [out]

    def _one(self, x: Any) -> Any:
        """A single row goes through arrays that the thread keeps: asking a new one for its address takes as long as a
        small model."""
        kept = getattr(self._kept, "row", None)
        if kept is None:
            row, out = np.empty(self._single, self._input), np.empty((1, self._outputs), self._value)
            kept = self._kept.row = (row, out, row.ctypes.data, out.ctypes.data)
        row, out, from_row, to_out = kept
        row[:] = x
        self._predict(self._at, from_row, 1, to_out)
        return out.copy()

    def _in_parts(self, x: Any, out: Any) -> None:
        assert self._pool
        count = min(self._threads, len(x) // ROWS_PER_THREAD)
        parts = zip(np.array_split(x, count), np.array_split(out, count), strict=True)
        for done in [self._pool.submit(self._part, *part) for part in parts]:
            done.result()

    def _part(self, x: Any, out: Any) -> None:
        self._predict(self._at, x.ctypes.data, len(x), out.ctypes.data)


def _read(file: Path) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as found:
        return {name: np.ascontiguousarray(found[name]) for name in ARRAYS}
