"""Virtual environments for AWS clients: the demo's SageMaker SDK, and each client of the journeys in tests.

Built once by uv from a lock file; an environment is known by the hash of its lock, and `ready` is written last, so a
build that was killed is done again.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from clary.runtime import indexes


def environment(lock: Path, root: Path, say: Callable[[str], None] = lambda text: None) -> Path:
    """The environment of a lock file under `root`, built when it is not there. Returns its folder.

    Safe for several processes at once. Raises `RuntimeError` with uv's words when the build fails.
    """
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = root / f"{lock.stem}-{key}"
    ready = folder / "ready"
    if ready.exists():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{folder.name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not ready.exists():
            say(f"Building the client environment {folder.name} (once)")
            _build(lock, folder)
            ready.touch()
    return folder


def _build(lock: Path, folder: Path) -> None:
    _uv("venv", "--clear", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", str(folder / "bin" / "python"), "-r", str(lock))


def _uv(*arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", *arguments],
        env=indexes.configured().for_uv() | dict(os.environ),
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        raise RuntimeError(f"uv {arguments[0]} failed: {ran.stderr.strip()}")
