"""`make` runs this file with the machine's own Python to set up `.venv`: `python3 src/clary/cli/bootstrap.py`.

Needs Python, pip and a package index, nothing else: uv is installed by pip into `.uv`, then told where pip looks.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
UV = ROOT / ".uv" / "bin" / "uv"
VENV = ROOT / ".venv"


def main() -> None:
    """Leaves `.venv` as `uv.lock` says, with all extras and development tools."""
    sys.path.insert(0, str(ROOT / "src"))
    from clary.runtime.indexes import configured

    if not UV.exists():
        _run([sys.executable, "-m", "venv", str(UV.parents[1])])
        _run([str(UV.with_name("python")), "-m", "pip", "install", "--quiet", "uv"])
    found = configured()
    environ = found.for_uv() | dict(os.environ)
    if found.index_url:
        _install_from_mirror(environ)
    else:
        _run([str(UV), "sync", "--quiet", "--locked", "--all-extras", "--python", sys.executable], environ)


def _install_from_mirror(environ: dict[str, str]) -> None:
    """The lock names PyPI's files; the same versions can come from anywhere."""
    lines = ["export", "--quiet", "--frozen", "--all-extras", "--no-hashes", "--no-emit-project"]
    wanted = VENV / "requirements.txt"
    _run([str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], environ)
    _run([str(UV), *lines, "--output-file", str(wanted)], environ)
    install = [str(UV), "pip", "install", "--quiet", "--python", str(VENV / "bin" / "python")]
    _run([*install, "--requirements", str(wanted)], environ)
    _run([*install, "--no-deps", "--editable", str(ROOT)], environ)


def _run(command: list[str], environ: dict[str, str] | None = None) -> None:
    if code := subprocess.run(command, env=environ, cwd=ROOT).returncode:
        raise SystemExit(code)


if __name__ == "__main__":
    main()
