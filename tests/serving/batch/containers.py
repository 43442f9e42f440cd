"""Containers for drivers: an HTTP server on a unix socket whose answers are a function of the test's own."""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

Answer = tuple[int, bytes]


class Call(NamedTuple):
    """What a container was called with."""

    path: str
    body: bytes
    headers: dict[str, str]


class Container(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """`answer` gets each call to /invocations. `parameters`: of /execution-parameters."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, answer: Callable[[Call], Answer], parameters: bytes | None = None) -> None:
        self.answer, self.parameters = answer, parameters
        self.calls: list[Call] = []
        super().__init__(str(path), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is no concern of the test's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Container

    def do_GET(self) -> None:
        told = self.server.parameters
        known = self.path == "/ping" or (self.path == "/execution-parameters" and told is not None)
        self._reply(200 if known else 404, (told or b"") if self.path != "/ping" else b"")

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.path, self._body(headers), headers)
        self.server.calls.append(call)
        status, body = self.server.answer(call)
        if status == 0:
            # No HTTP: the bytes as they are, then the end.
            self.wfile.write(body)
            self.close_connection = True
            return
        self._reply(status, body)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers["content-length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("content-type", "text/answer")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "caller"


@contextlib.contextmanager
def container(path: Path, answer: Callable[[Call], Answer], parameters: bytes | None = None) -> Iterator[Container]:
    with Container(path, answer, parameters) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            # Also where a test fails: a thread left on a closed socket would fail others.
            server.shutdown()
            thread.join()
