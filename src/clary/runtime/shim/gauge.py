"""What an instance uses of its host, a line of `host.jsonl` each time its interval is over. The shim's loop calls it.

Names and units are CloudWatch's for SageMaker's hosts: CPU in percent of one core, so that four busy cores are 400;
memory in percent of what the instance may use; disk in percent of the file system its folders lie on; GPU and GPU
memory in percent of one device, summed. Without a GPU there is no word of one.
"""

import contextlib
import json
import os
import time

from clary.runtime.shim import processes
from clary.runtime.shim.spec import Host

FILE = "host.jsonl"
TICKS = os.sysconf("SC_CLK_TCK")
ASK = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")


class Gauge:
    """Of one run. `look` is to be called now and then; it says in how many seconds again."""

    def __init__(self, folder: str, host: Host) -> None:
        self._folder, self._host = folder, host
        self._before, self._used = time.monotonic(), 0.0
        self._next = self._before + host["seconds"] if host["seconds"] else float("inf")
        self._graphics: _Graphics | None = None
        self._found: dict[str, float] = {}

    def look(self, root: int) -> float:
        """`root`: the process above all of the instance's."""
        now = time.monotonic()
        if self._graphics is None and now < self._next:
            return self._next - now
        if self._graphics is None:
            self._found = self._measure(root, now)
            self._next = now + self._host["seconds"]
            self._graphics = _Graphics(self._host["gpus"]) if self._host["gpus"] else None
        if self._graphics is not None:
            if not self._graphics.answered():
                return 1.0
            self._found |= self._graphics.read()
            self._graphics = None
        self._write(self._found)
        return self._next - now

    def _measure(self, root: int, now: float) -> dict[str, float]:
        pids = processes.tree(root)
        used = cpu_seconds(pids)
        # A process that leaves without being waited for takes its seconds with it.
        busy = max(0.0, used - self._used) / (now - self._before)
        self._used, self._before = used, now
        return {
            "time": time.time(),
            "CPUUtilization": 100 * busy,
            "MemoryUtilization": 100 * processes.exact_memory(pids) / self._host["memory_bytes"],
            "DiskUtilization": 100 * _disk(self._folder),
        }

    def _write(self, found: dict[str, float]) -> None:
        line = json.dumps({name: round(value, 3) for name, value in found.items()}) + "\n"
        # A full disk costs metrics, never the job.
        with contextlib.suppress(OSError), open(f"{self._folder}/{FILE}", "a") as file:
            file.write(line)


def cpu_seconds(pids: list[int]) -> float:
    """Of these processes, and of their children that have ended."""
    return sum(_ticks(pid) for pid in pids) / TICKS


def _ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # utime, stime, cutime and cstime; the name before may hold anything.
            return sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
    except (OSError, ValueError):
        return 0


def _disk(folder: str) -> float:
    """As `df` says it: what is taken of what users may take."""
    found = os.statvfs(folder)
    taken = found.f_blocks - found.f_bfree
    return taken / max(1, taken + found.f_bavail)


class _Graphics:
    """One question to the driver, which may take seconds."""

    def __init__(self, gpus: list[int]) -> None:
        self._output, end = os.pipe()
        os.set_blocking(self._output, False)
        command = [*ASK, f"--id={','.join(map(str, gpus))}"]
        streams = [(os.POSIX_SPAWN_DUP2, end, 1)]
        try:
            self._pid = os.posix_spawnp(command[0], command, dict(os.environ), file_actions=streams)
        except OSError:
            self._pid = 0
        os.close(end)

    def answered(self) -> bool:
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        return not self._pid

    def read(self) -> dict[str, float]:
        try:
            text = os.read(self._output, 65536).decode()
        except BlockingIOError:
            text = ""
        os.close(self._output)
        return graphics(text)


def graphics(text: str) -> dict[str, float]:
    """`nvidia-smi`'s table; nothing where a device does not say, as a partition of one does not."""
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in text.splitlines()]
        if not rows:
            return {}
        return {
            "GPUUtilization": sum(busy for busy, _, _ in rows),
            "GPUMemoryUtilization": sum(100 * used / total for _, used, total in rows),
        }
    except (ValueError, ZeroDivisionError):
        return {}
