"""The servers that are compared: Clary's workers and moto, each as its users run it, one process that answers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from tests.servers import CACHE, free_port

from clary.cli import clientenv, clients
from clary.settings import Settings

PEERS = Path(__file__).parent / "peers"
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Served:
    """A running server and the keys it takes."""

    url: str
    process: psutil.Process
    access_key: str
    secret: str

    def rss(self) -> float:
        """Megabytes of the process and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in family) / 2**20


@contextmanager
def clary(home: Path) -> Iterator[Served]:
    """One worker and no controller: jobs are accepted and none is started."""
    settings = Settings(home=home, port=free_port())
    environ = os.environ | {"CLARY_HOME": str(home), "CLARY_PORT": str(settings.port)}
    subprocess.run([sys.executable, "-m", "clary.controller", "--first-start"], env=environ, check=True)
    keys = clientenv.credentials(settings)
    with _running([sys.executable, "-m", "clary.workers"], environ, f"{settings.url}/clary/health") as process:
        yield Served(settings.url, process, keys.access_key, keys.secret)


@contextmanager
def moto() -> Iterator[Served]:
    port = free_port()
    program = clients.environment(PEERS / "moto.txt", CACHE / "clients") / "bin" / "moto_server"
    url = f"http://127.0.0.1:{port}"
    with _running([str(program), "-p", str(port)], dict(os.environ), f"{url}/moto-api/") as process:
        yield Served(url, process, "testing", "testing")


@contextmanager
def _running(command: list[str], environ: dict[str, str], ready: str) -> Iterator[psutil.Process]:
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(ready)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def _await(url: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            urlopen(url, timeout=1).close()
            return
        except (URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
