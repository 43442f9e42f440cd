"""The environment as one instance sees it: its own, writable and empty, over the shared read-only one.

A layer is a virtual environment of a handful of files whose search path ends in the shared environment, so
`pip install` works in a job and touches nobody else. It costs well under a millisecond.
"""

import sys
from pathlib import Path

from clary.runtime import shims
from clary.runtime.environments.build import LAYER

SEEN = "/opt/clary/venv"
"""Where a sandbox sees the layer."""
_VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def make(folder: Path, environment: Path | None) -> None:
    """Make the layer in `folder`. Where the package `clary` lies ends its search path."""
    packages = folder / "lib" / _VERSION / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    (folder / "bin").mkdir(exist_ok=True)
    interpreter = Path(shims.interpreter())
    for name in ("python", "python3", _VERSION):
        if not (folder / "bin" / name).is_symlink():
            (folder / "bin" / name).symlink_to(interpreter)
    (folder / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
    lines = [str(shims.package_root())]
    if environment is not None:
        shared = environment / "lib" / _VERSION / "site-packages"
        # Not a plain line: the shared folder's own .pth files count as well.
        lines.insert(0, f"import site; site.addsitedir({str(shared)!r})")
    (packages / "clary.pth").write_text("\n".join(lines) + "\n")


def search_path(seen: str, environment: Path | None) -> list[str]:
    """What comes first on PATH."""
    return [f"{seen}/bin"] + ([f"{environment}/{LAYER}"] if environment else [])
