"""Control groups of an instance: made before the user process, entered by it, removed after it.

The spec says which folders to make and what to write there; both cgroup versions look alike from here.
"""

import contextlib
import os
import time

from clary.runtime.shim import files


def make(cgroups: dict[str, dict[str, str]]) -> None:
    """Make every folder and write its limits. A limit the kernel does not know is skipped."""
    for folder, limits in cgroups.items():
        os.makedirs(folder, exist_ok=True)
        for name, value in limits.items():
            with contextlib.suppress(OSError):
                files.write(f"{folder}/{name}", value.encode())


def enter(cgroups: dict[str, dict[str, str]]) -> None:
    """Move the calling process in."""
    for folder in own(cgroups):
        files.write(f"{folder}/cgroup.procs", b"0")


def own(cgroups: dict[str, dict[str, str]]) -> list[str]:
    """The groups of this instance alone: those that hold no other of them."""
    return [folder for folder in cgroups if not any(other.startswith(f"{folder}/") for other in cgroups)]


def memory_kills(cgroups: dict[str, dict[str, str]]) -> int:
    """How many processes the kernel ended because the memory limit was reached."""
    for folder in own(cgroups):
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError), open(f"{folder}/{name}") as lines:
                return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def processes(cgroups: dict[str, dict[str, str]]) -> list[int]:
    """Every process inside."""
    found: set[int] = set()
    for folder in own(cgroups):
        with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs") as lines:
            found |= {int(line) for line in lines}
    return sorted(found)


def remove(cgroups: dict[str, dict[str, str]]) -> None:
    """Remove the folders, waiting a moment for processes that are just ending. One that is shared goes with the last
    that share it."""
    inner = own(cgroups)
    for folder in sorted(cgroups, key=len, reverse=True):
        for _ in range(100 if folder in inner else 1):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)
            else:
                break
