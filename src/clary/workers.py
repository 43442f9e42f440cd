"""`python -m clary.workers`: the server's worker processes. Started by `clary up`, settings by `CLARY_*` variables.

Workers are identical, share the port (SO_REUSEPORT) and hold no state.
"""

import gc
import os
import resource
import signal
from functools import partial
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from clary.parental import end_with_parent
from clary.settings import load

GRACE_SECONDS = 10
CONNECTIONS = 20_000
BACKLOG = 4096
"""Of connections that wait to be let in."""
OTHER_FILES = 1000
"""A worker's own: the store, the models' sockets, objects that are being read."""


def main() -> None:
    end_with_parent(int(os.environ.get("CLARY_PARENT", os.getppid())))
    settings = load()
    server = Granian(
        "clary.app:server",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=settings.workers,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels.warning,
        websockets=False,
        backlog=BACKLOG,
        backpressure=_connections(),
    )
    server.serve(target_loader=partial(_load, os.getpid()))


def _connections() -> int:
    """How many a worker holds at once, idle ones too: past it nobody is let in, so as many as it may have files for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return max(1, min(CONNECTIONS, most - OTHER_FILES))


def _load(parent: int, _target: str) -> Any:
    """Runs in each worker. The import stays here: the process that only watches them should stay small."""
    # Until the worker's loop listens, the handler inherited from the watching process would swallow a stop.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(parent)
    from clary.app import server

    made = server()
    # What lives as long as the process need not be looked at by every collection, nor each page of a list bring one.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    return made


if __name__ == "__main__":
    main()
