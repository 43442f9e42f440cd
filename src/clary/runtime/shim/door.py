"""The ways in and out of a container that has a network of its own, each a process that lives as long as its parent.

In: a unix socket of the machine, carried to port 8080 of the container. Out: Clary's address inside the container's
network, carried to Clary. `container.py` opens them before the user's process starts.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket

from clary.runtime.shim import kernel
from clary.runtime.shim.relay import Relay

PORT = "8080"


def open_in(path: str, address: str, pid: int | None) -> None:
    """Carry connections to the unix socket at `path` to the container at `address`; from inside where `pid` is."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    if _fork():
        listener.close()
        return
    try:
        if pid is not None:
            enter(pid)
        _serve(listener, [address, PORT])
    finally:
        os._exit(0)


def open_out(endpoint: list[str], pid: int) -> None:
    """Let the container whose first process is `pid` find Clary at `endpoint`, its address on the machine."""
    ours, theirs = socket.socketpair()
    inner = os.fork()
    if inner == 0:
        try:
            enter(pid)
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((endpoint[0], int(endpoint[1])))
            listener.listen(128)
            socket.send_fds(theirs, [b"."], [listener.fileno()])
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    os.waitpid(inner, 0)
    if not fds:
        raise OSError("Clary cannot be made reachable from inside the container")
    fcntl.fcntl(fds[0], fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    outer = _fork()
    if outer == 0:
        try:
            _serve(socket.socket(fileno=fds[0]), endpoint)
        finally:
            os._exit(0)
    os.close(fds[0])


def enter(pid: int) -> None:
    """Go into a process's network; without privilege by way of its user namespace, which must be the caller's own."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid() != 0:
        kernel.setns(os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC), kernel.CLONE_NEWUSER)
    kernel.setns(network, kernel.CLONE_NEWNET)


def _fork() -> int:
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        # The output of the container: whoever reads it waits for its end.
        for output in (1, 2):
            os.dup2(0, output)
    return child


def _serve(listener: socket.socket, endpoint: list[str]) -> None:
    relay, poll = Relay([listener], endpoint), select.poll()
    relay.register(poll)
    while True:
        for fd, events in poll.poll():
            relay.serve(fd, events)
