"""The environment as one instance sees it: its own, writable and empty, over the shared read-only one.

A layer is a virtual environment of a handful of files, most of them in memory, whose search path ends in the shared
environment, so `pip install` works in a job and touches nobody else. It costs well under a millisecond.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from clary.runtime import shims
from clary.runtime.environments.build import LAYER
from clary.runtime.sandbox import Entry

SEEN = "/opt/clary/venv"
"""Where a sandbox sees the layer."""
_VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"


PACKAGES = f"lib/{_VERSION}/site-packages"
"""Inside an environment: what it has installed."""


def lay_out(folder: Path, environment: Path | None) -> Iterator[Entry]:
    """What shows the layer. Installed packages lie in `folder`, the rest is too small to lie on the disk."""
    interpreter = Path(shims.interpreter())
    for name in ("python", "python3", _VERSION):
        yield Entry("link", str(interpreter), f"{SEEN}/bin/{name}")
    text = f"home = {interpreter.parent}\ninclude-system-site-packages = false\n"
    yield Entry("text", text, f"{SEEN}/pyvenv.cfg")
    folder.mkdir(exist_ok=True)
    # Where the package `clary` lies ends the search path.
    lines = [str(shims.package_root())]
    if environment is not None:
        shared = environment / PACKAGES
        # Not a plain line: the shared folder's own .pth files count as well.
        lines.insert(0, f"import site; site.addsitedir({str(shared)!r})")
    (folder / "clary.pth").write_text("\n".join(lines) + "\n")
    yield Entry("rw", str(folder), f"{SEEN}/{PACKAGES}")


def search_path(seen: str, environment: Path | None) -> list[str]:
    """What comes first on PATH."""
    return [f"{seen}/bin"] + ([f"{environment}/{LAYER}"] if environment else [])
