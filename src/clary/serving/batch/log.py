"""What a driver says, in the `data-log` stream of its instance, in AWS's form."""

import threading
import time
from pathlib import Path

from clary.logfile import frame
from clary.serving.batch.client import Failed

LONGEST = 4096
"""Characters that are kept of what a container says of its refusal."""


class Log:
    """Threads share it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()

    def say(self, *texts: str) -> None:
        """A line for each."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}"
        lines = [frame(int(now * 1000), f"{stamp}:[sagemaker logs]: {text}".encode()) for text in texts]
        with self._guard, self._file.open("ab") as out:
            out.write(b"".join(lines))

    def failed(self, name: str, why: Failed) -> None:
        """Of the object with this name."""
        texts = [f"{name}: {why}"]
        if why.detail.strip():
            texts += [f"{name}: ", f"{name}: Message:"]
            texts += [f"{name}: {line}" for line in why.detail[:LONGEST].splitlines()]
        self.say(*texts)
