"""A real Ray cluster for tests: several nodes on this machine's loopback, each with a home of its own.

Ray is installed once, beside the tests' clients, and put at the end of the search path: the control plane's own
environment stays without it. Tests skip, and say so, where it cannot be had.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from tests.ports import free_port
from tests.servers import CACHE, wait_until

VERSION = "2.60.0"
PLACE = CACHE / "clients" / f"ray-{VERSION}-{sys.version_info[0]}.{sys.version_info[1]}"


def install() -> None:
    """Skips the test where Ray cannot be installed."""
    if not PLACE.is_dir():
        fresh = PLACE.with_name(f"{PLACE.name}.{os.getpid()}")
        command = ["uv", "pip", "install", "-q", "--python", sys.executable, "--target", str(fresh), f"ray=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"ray cannot be installed: {done.stderr[-300:]}")
        with contextlib.suppress(OSError):
            fresh.rename(PLACE)
    if str(PLACE) not in sys.path:
        sys.path.append(str(PLACE))


class Node:
    """One `ray start`, with all the processes below it."""

    def __init__(self, number: int, home: Path, words: list[str], environ: dict[str, str]) -> None:
        self.home = home / f"node-{number}"
        self.log = home / f"node-{number}.log"
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        own = {"CLARY_NODE_HOME": str(self.home), "CLARY_ENVIRONMENTS": str(CACHE / "environments")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*ray, *words], env=environ | own, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return "Ray runtime started" in self.log.read_text()

    def kill(self) -> None:
        """As a power cut does: everything of the node at once, its instances too."""
        mine = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.home) in word for word in process.info["cmdline"] or ()):
                mine.append(process)
        for process in mine:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


class RayCluster:
    """A head and more nodes, of which each takes `slots` instances."""

    def __init__(self, nodes: int, slots: int) -> None:
        install()
        # Sockets lie below it, and their names are long.
        self.home = Path(tempfile.mkdtemp(prefix="cray-", dir="/tmp"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.slots = slots
        paths = [str(PLACE), os.environ.get("PYTHONPATH", "")]
        self.environ = os.environ | {
            "PYTHONPATH": ":".join(path for path in paths if path),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
        }
        self.nodes: list[Node] = []
        self.join()
        self.join(nodes - 1)

    def join(self, count: int = 1) -> list[Node]:
        """More nodes; the first is the head."""
        joined = []
        for _ in range(count):
            joined.append(self._start())
            self.nodes.append(joined[-1])
        wait_until(lambda: all(node.is_up for node in joined))
        return joined

    def _start(self) -> Node:
        number = len(self.nodes)
        words = ["--num-cpus=1", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1"]
        words.append(f'--resources={{"clary_slot": {self.slots}}}')
        if number:
            words.append(f"--address={self.address}")
        else:
            words += ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.home}/r"]
        return Node(number, self.home, words, self.environ)

    def stop(self) -> None:
        for node in reversed(self.nodes):
            if node.process.poll() is None:
                os.killpg(node.process.pid, signal.SIGTERM)
        for node in self.nodes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.process.wait(20)
            if node.process.poll() is None:
                node.kill()
