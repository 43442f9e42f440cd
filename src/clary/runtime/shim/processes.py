"""Finding, measuring and ending the processes of a sandbox, from outside it."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
HALT = 1.0
"""Longest wait until a process that was told to stop stands still."""


def children(pid: int) -> list[int]:
    """Direct children, oldest first."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except (OSError, ValueError):
        return []


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def main_process(init: int) -> int | None:
    """The user's first process under a sandbox's init: number 2 of its pid namespace."""
    for child in children(init):
        with contextlib.suppress(OSError), open(f"/proc/{child}/status") as lines:
            for line in lines:
                if line.startswith("NSpid:") and line.split()[-1] == "2":
                    return child
    return None


def memory(pids: list[int]) -> int:
    """Bytes the processes hold; pages that they share are counted once for each."""
    return sum(_resident(pid) for pid in pids)


def exact_memory(pids: list[int]) -> int:
    """As `memory`, with shared pages counted once in all; slower."""
    return sum(_proportional(pid) for pid in pids)


def used(pids: list[int]) -> dict[str, float]:
    """Seconds of CPU of the processes and of the children that they have outlived; the most that one of them held."""
    times = sum(_cpu_ticks(pid) for pid in pids)
    return {"cpu_seconds": times / TICKS, "max_rss_bytes": max(map(_resident, pids), default=0)}


def signal_all(pids: list[int], number: int = signal.SIGKILL) -> None:
    """Send a signal to each that still is."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def phase(pid: int) -> str:
    """The kernel's letter for what the process does; empty for none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@contextlib.contextmanager
def halted(pid: int) -> Iterator[bool]:
    """Stop a process during the block. Whether it stands still, and so cannot end but by SIGKILL."""
    signal_all([pid], signal.SIGSTOP)
    try:
        yield _stands_still(pid)
    finally:
        signal_all([pid], signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    end = time.monotonic() + HALT
    while (now := phase(pid)) not in ("T", "Z", "") and time.monotonic() < end:
        time.sleep(0.001)
    return now == "T"


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _cpu_ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
    except (OSError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as lines:
        for line in lines:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)
