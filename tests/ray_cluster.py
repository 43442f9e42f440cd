"""A real Ray cluster for tests: several nodes on this machine's loopback, each with a home of its own.

Ray is installed once, beside the tests' clients, and put at the end of the search path: the control plane's own
environment stays without it. Tests skip, and say so, where it cannot be had.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.servers import CACHE

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
    # Before ray is imported. A node of a busy machine may need more than the half minute that it is given.
    waits = {"RAY_raylet_start_wait_time_s": "180"}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"} | waits


class Node:
    """One node and its home."""

    def __init__(self, node: Any, home: Path) -> None:
        self.node, self.home = node, home


class RayCluster:
    """A head and more nodes, of which each takes `slots` instances."""

    def __init__(self, nodes: int, slots: int, *, head_slots: int | None = None) -> None:
        """`head_slots`: of the first node, which no test can do without."""
        install()
        from ray.cluster_utils import Cluster

        # Sockets lie below it, and their names are long.
        self.home = Path(tempfile.mkdtemp(prefix="cray-", dir="/tmp"))
        self.slots = slots
        self._head_slots = slots if head_slots is None else head_slots
        self.nodes: list[Node] = []
        self._numbers = itertools.count()
        self._cluster = Cluster()
        try:
            for _ in range(nodes):
                self.join()
        except BaseException:
            self.stop()
            raise

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def join(self) -> Node:
        """One more node; the first is the head."""
        home = self.home / f"node-{next(self._numbers)}"
        search = [str(PLACE), os.environ.get("PYTHONPATH", "")]
        # What a node is started with is what its actors see.
        seen = {
            "PYTHONPATH": os.pathsep.join(filter(None, search)),
            "CLARY_NODE_HOME": str(home),
            "CLARY_ENVIRONMENTS": str(CACHE / "environments"),
        }
        own = {} if self.nodes else {"include_dashboard": False, "no_monitor": True, "include_log_monitor": False}
        node = self._cluster.add_node(
            num_cpus=1,
            object_store_memory=80_000_000,
            resources={"clary_slot": self.slots if self.nodes else self._head_slots},
            env_vars=seen,
            **own,
        )
        made = Node(node, home)
        self.nodes.append(made)
        return made

    def cut(self, node: Node) -> None:
        """As a power cut does: everything of the node at once, its instances too."""
        mine = f"CLARY_NODE_HOME={node.home}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                named = mine in (process / "environ").read_bytes().split(b"\0")
                if named or str(node.home).encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        self._cluster.remove_node(node.node, allow_graceful=False)
        self.nodes.remove(node)

    def stop(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()
        shutil.rmtree(self.home, ignore_errors=True)
