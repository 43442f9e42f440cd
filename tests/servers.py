"""A whole Clary for tests: `clary up` as a user starts it, on a free port and a home of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import boto3
from tests.databases import of_a_whole_server
from tests.ports import free_port

from clary.cli import clientenv
from clary.runtime.containers.images import Containers
from clary.runtime.local import LocalBackend
from clary.settings import load

REPOSITORY = Path(__file__).parent.parent
CACHE = Path(os.environ.get("CLARY_TEST_CACHE", REPOSITORY / ".cache"))
"""What tests build once and share: client and runtime environments."""
PATIENCE = 120.0
"""Seconds that a test waits for what must come, on a machine with much else to do. No claim of any test."""


class Clary:
    """One home. `start` and `stop` may follow each other; leaving the context ends everything, jobs too."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.with_suffix(".log")
        self._settings = {f"CLARY_{name.upper()}": value for name, value in (of_a_whole_server() | settings).items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process, "start() it first"
        return self._process

    def environ(self) -> dict[str, str]:
        """The environment of every `clary` command on this home."""
        shared = {"CLARY_HOME": str(self.home), "CLARY_PORT": str(self.port)}
        return os.environ | shared | {"CLARY_ENVIRONMENTS": str(CACHE / "environments")} | self._settings

    def command(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`clary WORDS`, its output captured."""
        command = [sys.executable, "-m", "clary.cli", *words]
        return subprocess.run(command, env=self.environ(), capture_output=True, text=True, timeout=PATIENCE, **options)

    def start(self, *options: str) -> Self:
        """`clary up`, until it answers."""
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "clary.cli", "up", *options]
            self._process = subprocess.Popen(command, env=self.environ(), stdout=log, stderr=log)
        wait_until(self._ready, PATIENCE, lambda: f"clary up is not ready:\n{self.log.read_text()[-3000:]}")
        return self

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        """End `clary up` as Ctrl-C does, or otherwise; returns its exit code."""
        self.process.send_signal(kind)
        return self.process.wait(PATIENCE)

    def client_environ(self) -> dict[str, str]:
        """What a user's shell has after `eval "$(clary env)"`, and nothing else of AWS's."""
        told = clientenv.variables(load(self.environ()))
        base = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLARY_"))}
        return base | {name: value for name, value in told.items() if value}

    def client(self, service: str) -> Any:
        """A boto3 client with the default user's keys."""
        env = self.client_environ()
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=env.get("AWS_SESSION_TOKEN"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self.stop()
        if any(self.home.glob("jobs/*")):
            self._end_workloads()

    def _end_workloads(self) -> None:
        settings = load(self.environ())
        if settings.backend != "local":
            controller = [sys.executable, "-m", "clary.controller", "--end-workloads"]
            subprocess.run(controller, env=self.environ(), check=True, timeout=PATIENCE)
            return
        # Here, because the controller takes a second to say what this process knows.
        backend = LocalBackend(settings.home, containers=Containers(settings.containers, settings.home))
        for workload in backend.workloads():
            backend.kill(workload)

    def _ready(self) -> bool:
        assert self.process.poll() is None, f"clary up ended:\n{self.log.read_text()[-3000:]}"
        return "ready in" in self.log.read_text()


def wait_until(
    done: Callable[[], Any], seconds: float = PATIENCE, otherwise: Callable[[], str] = lambda: "timed out"
) -> None:
    """Bounded wait on a condition. Fewer seconds than `PATIENCE` are a claim about how soon it comes."""
    end = time.monotonic() + seconds
    pause = 0.02
    while not done():
        assert time.monotonic() < end, otherwise()
        time.sleep(pause)
        # A look is a call or more: what takes long need not be seen at once.
        pause = min(pause * 1.1, 0.25)
