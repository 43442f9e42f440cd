"""Die with the parent: the server's processes must not outlive a `clary up` that was killed.

Called by each of them first thing. Where the kernel has no such notice (not Linux), nothing happens.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Ask for SIGTERM at the death of `parent`, the expected parent's process id; exit if it is gone already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)
