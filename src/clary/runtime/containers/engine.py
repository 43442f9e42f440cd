"""Talking to Docker or podman: HTTP on a unix socket, in the form of Docker's API 1.41, which both speak.

Standard library only: a shim uses it too.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

SCHEME = "unix://"
PATIENCE = 60.0
"""Seconds for one answer of the engine."""
INSISTENCE = 3.0
"""Seconds for which an engine that refuses to remove something is asked again: what is just ending may hold it."""


class EngineError(Exception):
    """The engine refused, or cannot be reached (`status` 0). The message is the engine's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class Engine:
    """The engine behind a socket; `url` is `unix:///path`. One connection for each call: nothing to keep alive."""

    def __init__(self, url: str) -> None:
        if not url.startswith(SCHEME):
            raise ValueError(f"{url} is not the address of a unix socket: {SCHEME}/path")
        self.url = url
        self.path = url.removeprefix(SCHEME)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        patience: float = PATIENCE,
        accept: tuple[int, ...] = (),
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Any:
        """The answer's JSON, `None` where there is none. Raises `EngineError` but for the statuses in `accept`."""
        try:
            with self._ask(method, path, body, patience, headers or {}, query) as answer:
                content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(0, f"the container engine at {self.path} does not answer: {error}") from error
        if answer.status >= 400 and answer.status not in accept:
            raise EngineError(answer.status, _message(content) or answer.reason)
        return _json(content)

    def remove(self, path: str) -> None:
        """Remove a container or network, there or not. Raises `EngineError`, of one that is away at once."""
        end = time.monotonic() + INSISTENCE
        while True:
            try:
                # 409: Docker removes it already.
                self.call("DELETE", path, accept=(404, 409))
                return
            except EngineError as error:
                if not error.status or time.monotonic() > end:
                    raise
            time.sleep(0.1)

    def stream(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        patience: float = PATIENCE,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Iterator[dict[str, Any]]:
        """The answer's JSON documents as they come: progress of builds, loads and pulls. Errors in it are raised."""
        try:
            with self._ask(method, path, body, patience, headers or {}, query) as answer:
                if answer.status >= 400:
                    raise EngineError(answer.status, _message(answer.read()) or answer.reason)
                for line in answer:
                    found = _json(line)
                    if isinstance(found, dict):
                        if found.get("error"):
                            raise EngineError(answer.status, str(found["error"]))
                        yield found
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(0, f"the container engine at {self.path} does not answer: {error}") from error

    def attach(self, container: str) -> tuple[socket.socket, bytes]:
        """A socket on which the container's output comes in frames (`frames`), and what was read of it already."""
        line = socket.socket(socket.AF_UNIX)
        try:
            line.settimeout(PATIENCE)
            line.connect(self.path)
            target = f"/containers/{quote(container)}/attach?stream=1&stdout=1&stderr=1"
            upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0"
            line.sendall(f"POST {target} HTTP/1.1\r\nHost: engine\r\n{upgrade}\r\n\r\n".encode())
            head, rest = _head(line)
        except OSError as error:
            line.close()
            raise EngineError(0, f"the container engine at {self.path} does not answer: {error}") from error
        status = int(head.split(b" ", 2)[1])
        if status not in (101, 200):
            line.close()
            raise EngineError(status, _message(rest) or head.split(b"\r\n")[0].decode())
        return line, rest

    def _ask(
        self, method: str, path: str, body: Any, patience: float, headers: dict[str, str], query: dict[str, str]
    ) -> http.client.HTTPResponse:
        connection = _Connection(self.path, patience)
        if isinstance(body, dict):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
        where = f"{path}?{urlencode(query)}" if query else path
        try:
            connection.request(method, where, body, {"Connection": "close"} | headers)
            return connection.getresponse()
        except BaseException:
            connection.close()
            raise


def frames(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole frames' contents in what was read of an attached container, and what is left over."""
    found = []
    while len(data) >= 8:
        size = int.from_bytes(data[4:8])
        if len(data) < 8 + size:
            break
        found.append(data[8 : 8 + size])
        data = data[8 + size :]
    return found, data


def _head(line: socket.socket) -> tuple[bytes, bytes]:
    read = b""
    while b"\r\n\r\n" not in read:
        more = line.recv(4096)
        if not more:
            raise ConnectionResetError("the engine closed the connection")
        read += more
    head, _, rest = read.partition(b"\r\n\r\n")
    return head, rest


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _message(content: bytes) -> str:
    found = _json(content)
    return str(found.get("message", "")) if isinstance(found, dict) else content.decode("utf-8", "replace").strip()
