"""Loopback ports for servers that tests start.

Not "any free one" of the kernel's: those come from the range that outgoing connections use too, so that between asking
and listening a client's connection, or the other worker of the suite, could take it.
"""

import itertools
import os
import secrets
import socket

RANGE = range(61000, 65536)
"""Above Linux's range for outgoing connections, and not where jobs of a shared network meet."""


def _mine() -> range:
    """This process's part of the range: the workers of a parallel run share it out."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(RANGE) // count
    return RANGE[number * share : (number + 1) * share]


def _turns() -> "itertools.cycle[int]":
    """In a row, so that a port comes back late; from anywhere, as other runs may be under way on this machine."""
    mine = _mine()
    begin = secrets.randbelow(len(mine))
    return itertools.cycle([*mine[begin:], *mine[:begin]])


_ports = _turns()


def free_port() -> int:
    """A loopback port that nothing listens on now, and that nobody else is given for long."""
    return next(port for port in itertools.islice(_ports, len(RANGE)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
