"""A nursery of model servers: `runtime/shim/nursery.py` in an interpreter that has imported a framework.

The backend starts one where model servers of a framework are to come; shims that it forks run the server that is in
memory already. It imports what Clary's own environment holds and nothing of a user's. Calls that come meanwhile wait.
It ends with whoever started it, or when it has not been kept for a while, or at once when it cannot be forked: then the
instances whose calls wait are started the ordinary way.
"""

import gc
import os
import signal
import socket

from clary.runtime.shim import namespaces, nursery
from clary.serving.server import preload

IMPORT_SECONDS = 60
"""Past it, whoever waits no longer does."""
QUIET_SECONDS = 10.0
"""Without a call, before that is imported which models may do without: those that start come first."""
IDLE_SECONDS = 150.0


def main(framework: str, threads: int) -> None:
    """`threads`: of OpenMP, as its variable says."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.alarm(IMPORT_SECONDS)
    calls = socket.socket(fileno=nursery.CALLS)
    preload.threads = threads
    namespaces.preloaded = preload.main
    # A fifth of the time that the imports take, and nothing of what they make is garbage.
    gc.disable()
    preload.needed(framework)
    gc.enable()
    gc.freeze()
    if not _is_alone():
        return
    signal.alarm(0)
    calls.settimeout(QUIET_SECONDS)
    if not nursery.serve(calls):
        return
    preload.useful(framework)
    gc.collect()
    gc.freeze()
    calls.settimeout(IDLE_SECONDS)
    if _is_alone():
        nursery.serve(calls)


def _is_alone() -> bool:
    """A fork into namespaces would lose other threads, with whatever they hold."""
    return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208
