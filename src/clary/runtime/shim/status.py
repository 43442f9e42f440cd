"""`status.json`: the shim's word on its instance, replaced by rename, and a poke to whoever waits for it."""

import _socket
import json
import os
import time
from typing import Any

NAME = "status.json"


def write(folder: str, status: dict[str, Any], *, durable: bool = False, name: str = NAME) -> None:
    """Replace the status. `durable` waits until it would survive a power cut."""
    path = f"{folder}/{name}"
    fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, json.dumps(status).encode())
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(f"{path}.new", path)
    if durable:
        sync(folder)


def sync(folder: str) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_surely(folder: str, status: dict[str, Any]) -> None:
    """Write a status that must not be missed, waiting for room on a full disk."""
    while True:
        try:
            return write(folder, status, durable=True)
        except OSError:
            time.sleep(1)


def poke(wake: str, key: str) -> None:
    """Tell the controller that the record changed. A hint: nobody listening is fine."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
    try:
        sock.sendto(key.encode(), wake)
    except OSError:
        pass
    finally:
        sock.close()
