"""The compiled bytecode of a fresh environment; `build.py` calls it.

Jobs see environments read-only, so what is not compiled when one is built would be compiled at every start of a job.
That is most of the work of building: files that another environment has too, by uv's hard links from its cache, are
not compiled again but share that one's bytecode, and packages' own tests, which no job imports, are left out.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from clary.runtime import shims

CACHE = "__pycache__"
_SUFFIX = f".{sys.implementation.cache_tag}.pyc"
_PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def complete(environment: Path, others: Iterable[Path]) -> None:
    """Give every module of `environment` its bytecode. A file that no Python can compile goes without."""
    packages = environment / _PACKAGES
    for other in others:
        _share(packages, other / _PACKAGES)
    tests = f"{re.escape(str(packages))}/.*/tests?/"
    command = [shims.interpreter(), "-I", "-m", "compileall", "-q", "-j", "0", "-x", tests, str(packages)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _share(packages: Path, others: Path) -> None:
    """By hard links. What bytecode says of its file's name is put right by whoever loads it."""
    for place, names, files in os.walk(packages):
        if CACHE in names:
            names.remove(CACHE)
        folder = Path(place)
        other = others / folder.relative_to(packages)
        if (other / CACHE).is_dir():
            (folder / CACHE).mkdir(exist_ok=True)
            for name in files:
                _share_one(folder, other, name)


def _share_one(folder: Path, other: Path, name: str) -> None:
    compiled = f"{CACHE}/{name.removesuffix('.py')}{_SUFFIX}"
    # What is not there, or may not be linked, is compiled.
    with contextlib.suppress(OSError):
        if name.endswith(".py") and (folder / name).samefile(other / name):
            (folder / compiled).hardlink_to(other / compiled)
