"""Starting and stopping servers under measure, and what they hold in memory."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import psutil
from tests.servers import Clary, free_port, wait_until

from benchmarks.signing import Signer

READY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    name: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port


@contextmanager
def running(
    name: str, command: list[str], port: int, folder: Path, health: str = "/", environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """The server in a process group, ended afterwards. Ready when `health` answers 200."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=out, env=dict(os.environ) | dict(environ or {}), process_group=0
        )
    try:
        wait_until(
            lambda: _answers(process, f"http://127.0.0.1:{port}{health}"),
            READY_SECONDS,
            lambda: f"{name} is not ready:\n{log.read_text()[-3000:]}",
        )
        yield Server(name, port, process.pid)
    finally:
        members = family(process.pid) if process.poll() is None else []
        process.terminate()
        psutil.wait_procs(members, 10)
        for member in members:
            if member.is_running():
                member.kill()
        process.wait()


@contextmanager
def api_only(home: Path) -> Iterator[tuple[Server, Signer]]:
    """Clary's API with one worker and no controller: what is created stays as it is."""
    port = free_port()
    environ = {"CLARY_HOME": str(home), "CLARY_PORT": str(port), "CLARY_WORKERS": "1", "CLARY_PARENT": str(os.getpid())}
    home.mkdir(parents=True, exist_ok=True)
    first = [sys.executable, "-m", "clary.controller", "--first-start"]
    subprocess.run(first, env=dict(os.environ) | environ, check=True)
    command = [sys.executable, "-m", "clary.workers"]
    with running("clary", command, port, home.parent, "/clary/health", environ) as server:
        yield server, signer(home, server.url)


@contextmanager
def whole(home: Path) -> Iterator[Clary]:
    """`clary up` as a user starts it, except that runtime environments are shared between runs."""
    with Clary(home) as clary:
        yield clary.start()


def signer(home: Path, url: str) -> Signer:
    keys: dict[str, str] = msgspec.json.decode((home / "secrets/credentials.json").read_bytes())
    return Signer(url, keys["access_key"], keys["secret"], keys.get("session_token", ""))


def family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def memory(pid: int) -> dict[str, float]:
    """Of a process and all below it, in MB. RSS counts shared pages once for each process, PSS once altogether."""
    held: list[Any] = [each.memory_full_info() for each in family(pid)]
    return {name: sum(getattr(one, name) for one in held) / 2**20 for name in ("rss", "pss")}


class Peak:
    """The highest RSS of a process tree inside the `with`, in MB, and what it was before."""

    def __init__(self, pid: int) -> None:
        self.before = self.highest = rss(pid)
        self._pid = pid
        self._over = Event()
        self._thread = Thread(target=self._watch)

    @property
    def growth(self) -> float:
        return self.highest - self.before

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.highest = max(self.highest, rss(self._pid))


def rss(pid: int) -> float:
    total = 0
    for each in family(pid):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    assert process.poll() is None, "the server has ended"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
