"""A nursery of model servers: `runtime/shim/nursery.py` in an interpreter that has imported a framework.

The backend starts one where instances of a serverless variant are to come; shims that it forks run the server that is
in memory already. It imports what Clary's own environment holds and nothing of a user's. It says `!` when it is ready,
and ends with whoever started it, or when it has not been kept for a while.
"""

import gc
import os
import signal
import site
import socket

from clary.runtime.shim import namespaces, nursery
from clary.serving.server import preload

IDLE_SECONDS = 150.0


def main(framework: str, packages: str) -> None:
    """`packages`: the environment's site-packages."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls = socket.socket(fileno=nursery.CALLS)
    site.addsitedir(packages)
    preload.modules(framework)
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
        # A fork into namespaces would lose the other threads, with whatever they hold.
        return
    gc.collect()
    gc.freeze()
    namespaces.preloaded = preload.main
    calls.settimeout(IDLE_SECONDS)
    calls.send(b"!")
    nursery.serve(calls)
