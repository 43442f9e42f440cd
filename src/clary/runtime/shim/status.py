"""`status.jsonl`: the shim's word on its instance, a line for each change, and a poke to whoever waits for it.

The last whole line counts. Appended, because a file that is replaced is written to the disk at once.
"""

import _socket
import errno
import json
import os
import time
from typing import Any

NAME = "status.jsonl"


class Status:
    """What the shim says. Its existence says that the user's process may have run, after a power cut too."""

    def __init__(self, folder: str) -> None:
        self._fd = os.open(f"{folder}/{NAME}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._said: dict[str, Any] = {"pid": os.getpid()}
        try:
            self.say("preparing")
            _sync(folder)
        except OSError:
            os.unlink(f"{folder}/{NAME}")
            raise

    def say(self, phase: str, **more: Any) -> None:
        """Add a line. Raises `OSError` on a full disk."""
        self._said |= {"phase": phase} | more
        # The line before may be torn, by a full disk.
        line = b"\n" + json.dumps(self._said).encode() + b"\n"
        if os.write(self._fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def say_surely(self, phase: str, **more: Any) -> None:
        """Add a line that survives a power cut, waiting for room on a full disk."""
        while True:
            try:
                self.say(phase, **more)
                return os.fsync(self._fd)
            except OSError:
                time.sleep(1)


def last(lines: bytes) -> dict[str, Any]:
    """The last whole line of `status.jsonl`."""
    for line in reversed(lines.split(b"\n")[:-1]):
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        return found
    return {"phase": "preparing"}


def _sync(folder: str) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def poke(wake: str, key: str) -> None:
    """Tell the controller that the record changed. A hint: nobody listening is fine."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
    try:
        sock.sendto(key.encode(), wake)
    except OSError:
        pass
    finally:
        sock.close()
