"""How a container is to be called: what the request says, else what `/execution-parameters` does, else the defaults."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clary.serving.batch.client import Line
from clary.serving.batch.job import Job
from clary.serving.http import request_bytes
from clary.serving.reply import HttpError

PING_SECONDS, ASK_SECONDS = 2.0, 10.0
"""How long a container may take for one answer."""
PAUSES = (0.02, 0.02, 0.05, 0.05, 0.1, 0.1, 0.2)
LONGEST = 64 * 1024
MOST_AT_ONCE = 100
"""What a container asks for is held to the bounds of a request."""
LARGEST_MB = 100
STRATEGIES = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
TOLD = {name: written for written, name in STRATEGIES.items()}


@dataclass(frozen=True, slots=True)
class Parameters:
    """`payload_mb`: 0 is without bound."""

    concurrent: int
    payload_mb: int
    strategy: str

    def __str__(self) -> str:
        """As AWS writes it into the log."""
        return (
            f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload_mb}, "
            f"BatchStrategy={TOLD[self.strategy]}"
        )


def settle(job: Job, told: dict[str, Any]) -> Parameters:
    """`told`: by the container."""
    concurrent = job.concurrent or _whole(told.get("MaxConcurrentTransforms"), 1, MOST_AT_ONCE) or 1
    own = _whole(told.get("MaxPayloadInMB"), 0, LARGEST_MB)
    payload = job.payload_mb if job.payload_mb is not None else 6 if own is None else own
    strategy = job.strategy or STRATEGIES.get(str(told.get("BatchStrategy")), "MultiRecord")
    return Parameters(min(concurrent, MOST_AT_ONCE), payload, strategy)


def _whole(value: Any, least: int, most: int) -> int | None:
    """`None` for anything that is not a number within the bounds."""
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None


def await_health(job: Job, pause: Callable[[float], object] = time.sleep) -> bool:
    """Whether all containers of the instance answer `/ping` with 200 in the time that they have."""
    end = time.monotonic() + job.startup
    for each in job.sockets:
        tries = 0
        while not _healthy(Path(each)):
            if time.monotonic() > end:
                return False
            pause(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
    return True


def ask(socket: Path) -> dict[str, Any]:
    """What a container says of itself; nothing where it does not, or says what is none."""
    line = Line(socket, LONGEST)
    try:
        reply = line.call(request_bytes("GET", "/execution-parameters", (), b""), ASK_SECONDS)
        found = json.loads(reply.body) if reply.status == 200 else {}
    except (HttpError, ValueError, RecursionError):
        return {}
    finally:
        line.close()
    return found if isinstance(found, dict) else {}


def _healthy(socket: Path) -> bool:
    line = Line(socket, LONGEST)
    try:
        return line.call(request_bytes("GET", "/ping", (), b""), PING_SECONDS).status == 200
    except HttpError:
        return False
    finally:
        line.close()
