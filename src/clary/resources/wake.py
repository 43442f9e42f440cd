"""Wake-ups of the controller: datagrams that name records. Servers poke after a commit, shims when something changed.

A poke is a hint. A lost one costs at most a second, because the controller also polls the store.
"""

import contextlib
import os
import socket
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

SOCKET = "controller.sock"

PATIENCE_SECONDS = 0.005
"""The kernel queues only ten datagrams; a poke waits this long for room and is then dropped."""


LARGEST = 1 << 16
"""Bytes of a poke: more ids than a commit has; what is cut off is found by the next poll."""


class Wake:
    """`name`: the socket, below `home`, of whoever is woken."""

    def __init__(self, home: Path, name: str = SOCKET) -> None:
        self.home = home
        self._name = name

    @property
    def path(self) -> Path:
        return self.home / self._name

    def poke(self, *record_ids: str) -> None:
        """Ask the controller to look at records now. Never fails: nobody may be listening."""
        with contextlib.suppress(OSError):
            sender, address = self._sender
            sender.sendto(" ".join(record_ids).encode("ascii"), address)

    @cached_property
    def _sender(self) -> tuple[socket.socket, str]:
        """Kept: each system call on the way costs a request its turn among the threads."""
        folder = os.open(self.home, os.O_PATH | os.O_DIRECTORY)
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.settimeout(PATIENCE_SECONDS)
        weakref.finalize(self, os.close, folder)
        weakref.finalize(self, sender.close)
        return sender, f"/proc/self/fd/{folder}/{self._name}"

    def listen(self) -> "Listener":
        """For the one controller; it takes the place of a dead one's socket."""
        return Listener(self.home, self._name)


class Listener:
    def __init__(self, home: Path, name: str = SOCKET) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (home / name).unlink(missing_ok=True)
        with _short(home) as short:
            self._socket.bind(f"{short}/{name}")

    def receive(self, timeout: float) -> list[str]:
        """The ids in the next poke; none when none came in `timeout` seconds."""
        self._socket.settimeout(max(timeout, 0.001))
        try:
            return self._socket.recv(LARGEST).decode("ascii", "replace").split()
        except TimeoutError:
            return []

    def close(self) -> None:
        self._socket.close()


@contextmanager
def _short(home: Path) -> Iterator[str]:
    # A socket's address holds 107 bytes, fewer than many a home folder's path; the folder's descriptor is a short name.
    folder = os.open(home, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}"
    finally:
        os.close(folder)
