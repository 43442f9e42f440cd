"""Lock files, and what of them is installed on this machine."""

import functools
import hashlib
import platform
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
_CUDA_ONLY = re.compile(r"(nvidia-|cuda-|triton==)")


def text(name: str) -> str:
    """The lock of an environment, fully pinned."""
    return (FOLDER / f"{name}.txt").read_text()


def without_cuda(lock: str) -> str:
    """The lock with PyTorch's CPU build, which needs none of the CUDA libraries."""
    lines = [line for line in lock.splitlines() if not _CUDA_ONLY.match(line)]
    return "\n".join(re.sub(r"^(torch==[\w.]+)", r"\1+cpu", line) for line in lines) + "\n"


@functools.cache
def key(name: str, gpu: bool) -> str:
    """Folder name of the environment: equal keys hold equal libraries."""
    marks = [text(name), sys.implementation.cache_tag, platform.system(), platform.machine(), sys.base_prefix, str(gpu)]
    digest = hashlib.sha256("\0".join(map(str, marks)).encode()).hexdigest()
    return f"{name}-{digest[:12]}"
