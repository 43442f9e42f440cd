"""One connection of the model server: HTTP/1.1 requests out of the bytes that arrive, and answers back.

Its callers are the gateway and who stands in for it, over a unix socket, each request with its length: what else
HTTP knows is refused. `connections.py` says when a connection may be read.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from clary.serving.pieces import FRAMED
from clary.serving.server import streaming
from clary.serving.server.invocation import Answer, text

MAX_HEAD = 64 * 1024
READ, READ_BODY = 64 * 1024, 1024 * 1024
"""Bytes read at once: of a request that begins, and of the rest of a body."""
REASONS = {status.value: status.phrase for status in HTTPStatus}
BODILESS = (204, 304)
"""Statuses of answers that end with their head, whatever a script gave with them."""
STREAMED = f"transfer-encoding: chunked\r\n{FRAMED[0]}: {FRAMED[1]}"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Bad(Exception):
    """What came is no request that can be answered; the connection is closed after the client was told."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Request:
    """Header names are in lower case; of a repeated header the last one counts."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    keep_alive: bool
    length: int
    body: bytes = b""


class Connection:
    """`busy` from a whole request to the end of its answer: meanwhile nothing is read."""

    def __init__(self, line: socket.socket, max_body: int | None = None) -> None:
        line.setblocking(False)
        self.line = line
        self.number = line.fileno()
        self.busy = False
        self.deaf = False
        """The poll does not watch it."""
        self.gone = False
        """Nobody waits for its answer."""
        self.unsent: memoryview | None = None
        self._max_body = max_body
        self._unread = b""
        self._request: Request | None = None
        self._body: list[bytes] = []
        self._came = 0
        self._keep_alive = True

    @property
    def begun(self) -> bool:
        """Part of a request is here."""
        return self._request is not None or bool(self._unread)

    @property
    def is_over(self) -> bool:
        """After its answer."""
        return not self._keep_alive

    def read(self) -> bool:
        """Take what has come; whether the far side is still there."""
        try:
            data = self.line.recv(READ_BODY if self._request else READ)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self._request is None:
            self._unread = self._unread + data if self._unread else data
        else:
            self._add(data)
        return bool(data)

    def next(self) -> Request | None:
        """The next request, once it is whole. Raises `Bad`."""
        if self._request is None and not self._begin():
            return None
        request = self._request
        assert request
        if self._came < request.length:
            return None
        self._request = None
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        if self._is_too_long(request):
            raise Bad(413, f"the request holds more than {self._max_body} bytes")
        request.body, self._unread = body[: request.length], body[request.length :]
        self._keep_alive = request.keep_alive
        return request

    def _begin(self) -> bool:
        """Whether the head is whole."""
        head, end, rest = self._unread.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            raise Bad(431, "the head of the request is too long")
        if not end:
            return False
        self._unread, self._came, self._body = b"", 0, []
        request = self._request = read_head(head)
        if len(rest) < request.length and "expect" in request.headers:
            self.line.send(CONTINUE)
        self._add(rest)
        return True

    def _add(self, data: bytes) -> None:
        self._came += len(data)
        assert self._request
        if not self._is_too_long(self._request):
            self._body.append(data)

    def _is_too_long(self, request: Request) -> bool:
        """Such a body is read, so that the client hears the answer, and not kept."""
        return self._max_body is not None and request.length > self._max_body

    def send(self, answer: Answer, *, last: bool = False) -> memoryview | None:
        """What could not be sent yet. `last`: nothing more is to be read."""
        if last:
            self._keep_alive = False
        try:
            whole = self._whole(answer)
        except ValueError as error:
            whole = self._whole(text(500, str(error)))
        try:
            sent = self.line.send(whole)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._keep_alive = False
            return None
        return memoryview(whole)[sent:] if sent < len(whole) else None

    def stream(self, answer: Answer) -> None:
        """Its pieces as they are made, framed; blocks."""
        try:
            head = head_of(answer, STREAMED, keep_alive=self._keep_alive)
        except ValueError as error:
            # So short that it goes at once, or not at all.
            self.send(text(500, str(error)), last=True)
            return
        if not streaming.send(self.line, head, answer.pieces or iter(())):
            self._keep_alive = False

    def _whole(self, answer: Answer) -> bytes:
        """Raises `ValueError`."""
        head = head_of(answer, f"content-length: {len(answer.body)}", keep_alive=self._keep_alive)
        return head if answer.status in BODILESS else head + answer.body

    def flush(self) -> None:
        """Send on what is unsent."""
        assert self.unsent
        try:
            self.unsent = self.unsent[self.line.send(self.unsent) :] or None
        except BlockingIOError:
            pass
        except OSError:
            self._keep_alive, self.unsent = False, None


def read_head(head: bytes) -> Request:
    """Raises `Bad`."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        raise Bad(400, "no HTTP/1.1 request")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise Bad(411, "a request needs the length of its body")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Bad(400, "the length of the body is no number")
    path, _, query = target.partition("?")
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    return Request(method, path, query, headers, keep_alive, int(length))


def head_of(answer: Answer, framing: str, *, keep_alive: bool = True) -> bytes:
    """Raises `ValueError` for a header that cannot be sent: a script may have made it."""
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, '')}"]
    if answer.content_type:
        lines.append(f"content-type: {answer.content_type}")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if not keep_alive:
        lines.append("connection: close")
    if not all(line.isprintable() for line in lines):
        raise ValueError("a header of the answer holds characters that headers may not have")
    if answer.status not in BODILESS:
        lines.append(framing)
    return "\r\n".join((*lines, "\r\n")).encode("latin-1")
