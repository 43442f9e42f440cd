"""A socket in front of a container engine's that refuses some calls, as engines do in their bad moments."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from clary.runtime.containers.engine import SCHEME

Refuse = Callable[[str], int | None]
"""From a call, such as `POST /containers/x/kill?signal=TERM`, to the status it is refused with; `None`: it is not."""


class Between:
    """What is not refused goes through byte for byte: a connection carries one call, or an attached output."""

    def __init__(self, folder: Path, engine: str, refuse: Refuse) -> None:
        self.url = f"{SCHEME}{folder}/between.sock"
        self.calls: list[str] = []
        self._engine = engine.removeprefix(SCHEME)
        self._refuse = refuse
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listener.bind(self.url.removeprefix(SCHEME))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            head = line.recv(65536)
            call = head.split(b" HTTP/", 1)[0].decode()
            self.calls.append(call)
            status = self._refuse(call)
            if status is not None:
                line.sendall(f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                return
            engine.connect(self._engine)
            engine.sendall(head)
            back = threading.Thread(target=_copy, args=(engine, line), daemon=True)
            back.start()
            _copy(line, engine)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
