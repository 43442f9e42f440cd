"""An instance from outside: does it answer `/ping`, what did it say last; and what is said before it starts."""

import os
import socket
from pathlib import Path

from clary.logfile import frame, parse
from clary.runtime import remote_socket

PING_SECONDS = 0.25
"""A healthy server answers in a millisecond. AWS allows 2 s, but a late answer only costs another look here."""
TAIL_BYTES = 4096
LINES = 5


def healthy(path: Path) -> bool:
    """Whether the server at this socket answers 200 to `GET /ping`."""
    try:
        with _line(path) as line:
            line.sendall(b"GET /ping HTTP/1.1\r\nhost: model\r\nconnection: close\r\n\r\n")
            return line.recv(64).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


def _line(path: Path) -> socket.socket:
    """Raises `OSError`."""
    if path.name == remote_socket.NAME:
        return remote_socket.dial_blocking(path, PING_SECONDS)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(PING_SECONDS)
        # A socket's address holds 107 bytes, fewer than many a folder's path.
        line.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        line.close()
        raise
    finally:
        os.close(folder)
    return line


def last_lines(log: Path) -> str:
    """The end of a log, for a FailureReason; empty when nothing was said."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().splitlines()
    whole = lines if size <= TAIL_BYTES else lines[1:]
    texts = [parse(line)[1] for line in whole[-LINES:]]
    return f"Last lines of the log: {' | '.join(text.strip() for text in texts if text.strip())}" if texts else ""


def say(log: Path, now: float, text: str) -> None:
    """A line of ours in the log of an instance that does not run yet."""
    with log.open("ab") as file:
        file.write(frame(int(now * 1000), text.encode()))
