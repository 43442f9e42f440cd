"""A server without a controller of its own, and controllers that the test starts and kills as it likes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import psutil
from botocore.exceptions import BotoCoreError, ClientError
from tests.capabilities.training.records import request
from tests.crash import traces
from tests.crash.witness import Witness
from tests.servers import PATIENCE, REPOSITORY, Clary, wait_until

from clary.cli import up
from clary.resources.query import Query
from clary.resources.store import DATABASE_FILE, Store
from clary.settings import Settings

BUCKET = "crash"
FINAL = ("Completed", "Failed", "Stopped")


class Stage:
    """`clary up` in pieces: workers of the server, and a zygote for controllers."""

    def __init__(self, home: Path, witness: Witness) -> None:
        self.clary = Clary(home, slots="64")
        self.home = home
        self.witness = witness
        self.controller = 0

    def __enter__(self) -> Self:
        self.home.mkdir()
        self._log = self.clary.log.open("wb")
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            cwd=REPOSITORY,
            env=self.clary.environ() | {"CLARY_PARENT": str(os.getpid())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self.start()
        self._workers = subprocess.Popen(
            [sys.executable, "-m", "clary.workers"],
            env=self.clary.environ() | {"CLARY_PARENT": str(os.getpid())},
            stdout=self._log,
            stderr=self._log,
        )
        settings = Settings(home=self.home, port=self.clary.port)
        wait_until(lambda: up.healthy(settings), PATIENCE, self.told)
        wait_until((self.home / "secrets/credentials.json").exists, PATIENCE, self.told)
        self.sagemaker, self.s3 = (self.clary.client(name) for name in ("sagemaker", "s3"))
        self.s3.create_bucket(Bucket=BUCKET)
        self.store = Store(f"sqlite:///{self.home / DATABASE_FILE}")
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.kill()
        for process in (self._zygote, self._workers):
            process.terminate()
            process.wait(PATIENCE)
        assert self._zygote.stdin and self._zygote.stdout
        self._zygote.stdin.close()
        self._zygote.stdout.close()
        self._log.close()
        self.clary.__exit__()

    def start(self, armed: str = "0") -> int:
        """A controller, killing itself as `zygote.py` says."""
        assert self._zygote.stdin and self._zygote.stdout
        self._zygote.stdin.write(f"{armed}\n".encode())
        self._zygote.stdin.flush()
        self.controller = int(self._zygote.stdout.readline())
        return self.controller

    def kill(self) -> None:
        """kill -9 of the controller, if it lives."""
        if self.alive():
            os.kill(self.controller, signal.SIGKILL)
            wait_until(lambda: not self.alive(), PATIENCE)

    def alive(self) -> bool:
        try:
            return bool(self.controller) and psutil.Process(self.controller).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def create(self, name: str, **more: Any) -> bool:
        """Ask for a job; whether that was acknowledged."""
        more = {"algorithm": self.witness.command, "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}} | more
        try:
            self.sagemaker.create_training_job(**request(name, **more))
        except (ClientError, BotoCoreError):
            return False
        return True

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def id(self, name: str) -> str:
        """Of the job's record."""
        record = self.store.get("TrainingJob", "123456789012", "us-east-1", name)
        assert record
        return record.id

    def status(self, name: str) -> str:
        """From the store: many jobs are looked at often."""
        record = self.store.get("TrainingJob", "123456789012", "us-east-1", name)
        return record.status if record else ""

    def forgotten(self, name: str) -> bool:
        """Whether the job is over and its folder is gone."""
        return self.status(name) in FINAL and not (self.home / "jobs" / self.id(name)).exists()

    def finals(self, name: str) -> list[str]:
        """The final states that the job has had, by its record's events."""
        told = [event.status for event in self.store.events(self.id(name))]
        return [status for status in told if status in FINAL]

    def until_final(self, *names: str) -> None:
        waiting = list(names)

        def over() -> bool:
            waiting[:] = [name for name in waiting if self.status(name) not in FINAL]
            return not waiting

        wait_until(over, PATIENCE, lambda: f"{waiting}: {[self.describe(name) for name in waiting[:2]]}{self.told()}")

    def assert_no_traces(self) -> None:
        """Nothing of the jobs is left on this machine but the controller's and the server's own processes."""
        jobs, home = self.home / "jobs", self.home
        wait_until(lambda: not any(jobs.iterdir()), PATIENCE, lambda: f"{list(jobs.iterdir())}{self.told()}")
        wait_until(lambda: not traces.processes(home), PATIENCE, lambda: str(traces.processes(home)))
        query = Query(kind="TrainingJob", account="123456789012", region="us-east-1", limit=100_000)
        ids = {record.id for record in self.store.page(query).records}
        assert (traces.mounts(home), traces.control_groups(ids)) == ([], [])
        assert "Traceback" not in self.clary.log.read_text(), self.told()

    def told(self) -> str:
        return self.clary.log.read_text()[-6000:]
