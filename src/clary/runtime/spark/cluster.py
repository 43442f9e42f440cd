"""The hosts of the job as a Spark standalone cluster, and the line by which the others learn that the driver ended."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
PORT = 7077
PATIENCE_SECONDS = 180.0
"""How long hosts wait for each other to come up."""


class NoCluster(Exception):
    """A host did not come up."""


class Cluster:
    """`hosts` in the order in which AWS sorts them; the first has master and driver.

    Ports: the master's, one above it its web page, two above it the line.
    """

    def __init__(self, base: Path, environ: Mapping[str, str]) -> None:
        file = base / "config" / "resourceconfig.json"
        told = json.loads(file.read_bytes()) if file.is_file() else {}
        self.host: str = told.get("current_host", "algo-1")
        self.hosts: list[str] = told.get("hosts", [self.host])
        # Where hosts share the machine's network, the runtime gives each job ports of its own.
        self.port = int(environ.get("CLARY_MASTER_PORT", PORT))

    @property
    def first(self) -> str:
        return self.hosts[0]

    @property
    def is_first(self) -> bool:
        return self.host == self.first

    @property
    def master(self) -> str:
        """What Spark calls the cluster."""
        return "local[*]" if len(self.hosts) == 1 else f"spark://{self.first}:{self.port}"

    def address(self) -> str:
        """Of this host, as the others see it."""
        return "127.0.0.1" if len(self.hosts) == 1 else socket.gethostbyname(self.host)


class Daemons:
    """Spark's own processes on this host; they end with this object's context."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self._home, self._environ = home, dict(environ)
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Daemons":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()

    def start_master(self, cluster: Cluster) -> None:
        self._start(MASTER, "--host", cluster.first, "--port", str(cluster.port), "--webui-port", str(cluster.port + 1))

    def start_worker(self, cluster: Cluster, cores: int, memory_mib: int) -> None:
        limits = ["--cores", str(cores), "--memory", f"{memory_mib}m"]
        self._start(WORKER, "--host", cluster.host, "--webui-port", "0", *limits, cluster.master)

    def check(self) -> None:
        """Raises `NoCluster` when one has ended."""
        for process in self._running:
            if process.poll() is not None:
                raise NoCluster(f"a Spark daemon ended with code {process.returncode}")

    def _start(self, name: str, *words: str) -> None:
        command = [str(self._home / "bin" / "spark-class"), name, *words]
        self._running.append(subprocess.Popen(command, env=self._environ, cwd=self._environ["SPARK_WORKER_DIR"]))


def wait_for_workers(cluster: Cluster, daemons: Daemons) -> None:
    """Until every host's worker is known to the master. Raises `NoCluster`."""
    end = time.monotonic() + PATIENCE_SECONDS
    while _workers(cluster) < len(cluster.hosts):
        daemons.check()
        if time.monotonic() > end:
            raise NoCluster(f"{_workers(cluster)} of {len(cluster.hosts)} hosts came up")
        time.sleep(0.2)


def _workers(cluster: Cluster) -> int:
    url = f"http://{cluster.first}:{cluster.port + 1}/json/"
    # Never through a proxy that the job may be told of.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])
    except (OSError, ValueError, KeyError):
        return 0


class Line:
    """Listens on the first host for as long as the driver runs. The others hold a connection, and see it break."""

    def __init__(self, cluster: Cluster) -> None:
        self._socket = socket.create_server((cluster.address(), cluster.port + 2), backlog=len(cluster.hosts))

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def wait_for_end(cluster: Cluster, daemons: Daemons) -> None:
    """On the other hosts: until the driver has ended, however it did. Raises `NoCluster` when it never began."""
    with _called(cluster) as line:
        line.settimeout(2.0)
        while True:
            try:
                if not line.recv(1):
                    return
            except TimeoutError:
                # A worker that dies is the master's to notice; a job that goes on without it is Spark's way.
                continue
            except OSError:
                return


def _called(cluster: Cluster) -> socket.socket:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return socket.create_connection((cluster.first, cluster.port + 2), 5)
        except OSError as error:
            if time.monotonic() > end:
                raise NoCluster(f"{cluster.first} did not come up: {error}") from error
            time.sleep(0.2)


def cores(environ: Mapping[str, str]) -> int:
    """Of this instance. `CLARY_CPUS` is the runtime's word where a quota cannot be seen by affinity."""
    return int(environ.get("CLARY_CPUS") or len(os.sched_getaffinity(0)))
