"""One running Clary under attack, the account that owns it and a stranger; and how to see that it is unharmed."""

import contextlib
from typing import Any

import boto3
import psutil
from botocore.config import Config
from tests.capabilities.training.journey import Journey
from tests.hostile.signing import Keys, Signer
from tests.servers import Clary

from clary.companions.iam import KeyRing
from clary.resources.store import DATABASE_FILE, Store

ACCOUNT, STRANGER = "123456789012", "222222222222"
CLIENT = Config(retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=100)


class Site:
    """`owner` and `stranger` sign for two accounts of the same server."""

    def __init__(self, clary: Clary) -> None:
        self.clary, self.port, self.home = clary, clary.port, clary.home
        self.journey = Journey(clary)
        env = clary.client_environ()
        own = Keys(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN"))
        self.owner = Signer(clary.port, own)
        self.stranger = Signer(clary.port, self._stranger())
        self.sagemaker, self.s3 = self.client("sagemaker"), self.client("s3")
        self.runtime = self.client("sagemaker-runtime")

    def client(self, service: str, signer: Signer | None = None) -> Any:
        """Unmodified boto3, without its own checks and retries."""
        keys = (signer or self.owner).keys
        return boto3.client(
            service,
            endpoint_url=self.clary.url,
            region_name="us-east-1",
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret,
            aws_session_token=keys.token,
            config=CLIENT,
        )

    def unharmed(self) -> None:
        """It answers, and nothing went wrong inside that nobody thought of."""
        assert self.owner.send(self.owner.operation("ListTrainingJobs", {})).status == 200
        told = self.clary.log.read_text(errors="replace")
        assert "Traceback" not in told, told[-4000:]

    def memory(self) -> int:
        """Resident bytes of the server and the controller, not of what they run for users."""
        top = psutil.Process(self.clary.process.pid)
        return sum(_resident(process) for process in (top, *top.children(), *self.workers()))

    def workers(self) -> list[psutil.Process]:
        """The processes that answer requests, below the one that watches them.

        The controller's children are left out: one that it is just starting shares all its memory.
        """
        watching = [each for each in psutil.Process(self.clary.process.pid).children() if _runs(each, "clary.workers")]
        return [worker for parent in watching for worker in parent.children() if _runs(worker, "clary.workers")]

    def _stranger(self) -> Keys:
        """A principal of another account, as AssumeRole would give it."""
        store = Store(f"sqlite:///{self.home / DATABASE_FILE}")
        ring = KeyRing(store, self.home / "secrets")
        arn = f"arn:aws:sts::{STRANGER}:assumed-role/Stranger/session"
        made = ring.issue(STRANGER, arn, "AROASTRANGER00000000:session", 86400)
        store.close()
        return Keys(made.access_key, made.secret, made.token)


def _runs(process: psutil.Process, module: str) -> bool:
    """Not one that has ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return module in process.cmdline()
    return False


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
