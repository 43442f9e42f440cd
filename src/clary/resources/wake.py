"""Wake-ups of the controller: datagrams that name a record. Servers poke after a commit, shims when something changed.

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


class Wake:
    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def path(self) -> Path:
        return self.home / SOCKET

    def poke(self, record_id: str) -> None:
        """Ask the controller to look at a record now. Never fails: nobody may be listening."""
        with contextlib.suppress(OSError):
            sender, address = self._sender
            sender.sendto(record_id.encode("ascii"), address)

    @cached_property
    def _sender(self) -> tuple[socket.socket, str]:
        """Kept: each system call on the way costs a request its turn among the threads."""
        folder = os.open(self.home, os.O_PATH | os.O_DIRECTORY)
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.settimeout(PATIENCE_SECONDS)
        weakref.finalize(self, os.close, folder)
        weakref.finalize(self, sender.close)
        return sender, f"/proc/self/fd/{folder}/{SOCKET}"

    def listen(self) -> "Listener":
        """For the one controller; it takes the place of a dead one's socket."""
        return Listener(self.home)


class Listener:
    def __init__(self, home: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (home / SOCKET).unlink(missing_ok=True)
        with _short(home) as short:
            self._socket.bind(f"{short}/{SOCKET}")

    def receive(self, timeout: float) -> str | None:
        """The id in the next poke, or `None` when none came in `timeout` seconds."""
        self._socket.settimeout(max(timeout, 0.001))
        try:
            return self._socket.recv(256).decode("ascii", "replace")
        except TimeoutError:
            return None

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
