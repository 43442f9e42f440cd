"""Steady work for a server that is being killed: calls of an endpoint and new jobs, and the outcome of every one."""

import threading
import uuid
from collections import Counter
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tests.capabilities.training.records import request
from tests.crash.witness import Witness
from tests.servers import PATIENCE, Clary, wait_until

PAUSE = 0.05
"""Seconds between the calls of a thread: a load, not a benchmark."""
UNFINISHED = 3


class Calls:
    """Threads that call an echo endpoint without retries. Each answer has to be the caller's own."""

    def __init__(self, clary: Clary, endpoint: str, threads: int = 2) -> None:
        self._clients = [client(clary, "sagemaker-runtime") for _ in range(threads)]
        self._endpoint = endpoint
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in self._clients]
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        """`own`, `other`, or what the error is called."""

    def _run(self, runtime: Any) -> None:
        while not self._over.wait(PAUSE):
            outcome = self._call(runtime)
            with self._lock:
                self.outcomes[outcome] += 1

    def _call(self, runtime: Any) -> str:
        nonce = uuid.uuid4().hex.encode()
        try:
            answer = runtime.invoke_endpoint(EndpointName=self._endpoint, Body=nonce, ContentType="text/plain")
            return "own" if answer["Body"].read() == nonce else "other"
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        except BotoCoreError as error:
            return type(error).__name__

    def answered(self, count: int = 10) -> None:
        """Until so many more calls got their answer."""
        goal = self.outcomes["own"] + count
        wait_until(lambda: self.outcomes["own"] >= goal, PATIENCE, lambda: str(self.outcomes))

    def __enter__(self) -> "Calls":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


class Creations(threading.Thread):
    """Asks for short jobs without retries, a few ahead of those that have ended."""

    def __init__(self, clary: Clary, witness: Witness, output: str) -> None:
        super().__init__()
        self._sagemaker = client(clary, "sagemaker")
        self._witness, self._output = witness, output
        self._over = threading.Event()
        self._lost = 0
        self.accepted: list[str] = []
        self.unanswered: list[str] = []
        """The connection broke: the job may have been accepted or not."""
        self.refused: Counter[str] = Counter()

    def run(self) -> None:
        number = 0
        while not self._over.wait(PAUSE):
            if sum(not self._witness.ended[name] for name in self.accepted[self._lost :]) < UNFINISHED:
                self._create(f"more-{number}")
                number += 1

    def _create(self, name: str) -> None:
        output = {"S3OutputPath": self._output}
        try:
            self._sagemaker.create_training_job(
                **request(name, algorithm=self._witness.command, OutputDataConfig=output)
            )
            self.accepted.append(name)
        except ClientError as error:
            self.refused[str(error.response["Error"]["Code"])] += 1
        except BotoCoreError:
            self.unanswered.append(name)

    def lost(self) -> None:
        """The machine was restarted: those so far are not waited for, they may never end."""
        self._lost = len(self.accepted)

    def ended(self, count: int = 1) -> None:
        """Until so many jobs that were accepted from now on have run to their end."""
        first = len(self.accepted)
        wait_until(
            lambda: sum(self._witness.ended[name] for name in self.accepted[first:]) >= count,
            PATIENCE,
            lambda: f"accepted {self.accepted[first:]}, unanswered {self.unanswered}, refused {self.refused}",
        )

    def __enter__(self) -> "Creations":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def client(clary: Clary, service: str) -> Any:
    """A boto3 client that tries once, so that every outcome is seen."""
    env = clary.client_environ()
    return boto3.client(
        service,
        endpoint_url=clary.url,
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=70),
    )
