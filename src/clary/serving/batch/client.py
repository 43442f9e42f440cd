"""One payload to the containers of an instance, one after the other, with a deadline for each call and retries.

Each thread of the driver has a `Caller` of its own; answers are bounded, whatever a container says.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from clary.runtime import remote_socket
from clary.serving.batch.job import Fault
from clary.serving.http import request_bytes
from clary.serving.reply import Broken, HttpError, Reply, ReplyReader, TimedOut, TooLarge, Unreachable

CHUNK = 256 * 1024
PAUSES = (0.1, 0.5, 2.0)
"""Seconds before each retry."""
AGAIN = (429,)
"""Of the answers that say that the caller is wrong, those that say so for now."""
LARGE_BYTES = 256 * 1024
"""After a larger payload the next has a connection of its own: a server of several workers may give it another one."""
SHOWN = 4096
"""Bytes of a refusal that are kept for the log."""


class Failed(Exception):
    """There is no answer to a payload. `text`: what the log is told, in AWS's words; `detail`: the container's own."""

    def __init__(self, fault: Fault, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.fault: Fault = fault
        self.detail = detail


class Gone(Exception):
    """Nobody listens at a container's socket: it has ended, or is about to, and no object is to blame."""


class NobodyListens(Unreachable):
    pass


class Caller:
    """`longest`: bytes of an answer."""

    def __init__(self, sockets: Iterable[str], *, seconds: float, retries: int, longest: int) -> None:
        self._lines = [Line(Path(each), longest) for each in sockets]
        self._seconds, self._retries = seconds, retries

    def transform(self, body: bytes, content_type: str, accept: str) -> bytes:
        """The last container's answer. Raises `Failed`, `Gone`.

        Each answer is the next container's input, with the content type that it came with.
        """
        last = len(self._lines) - 1
        for number, line in enumerate(self._lines):
            headers = named(content_type, accept if number == last else "")
            try:
                request = request_bytes("POST", "/invocations", headers, body)
            except ValueError as error:
                raise Failed("algorithm", f"Unable to get response from algorithm: {error}") from error
            reply = trying(partial(line.call, request, self._seconds), self._retries)
            body, content_type = reply.body, reply.headers.get("content-type", content_type)
        return body

    def close(self) -> None:
        for line in self._lines:
            line.close()


def trying(call: Callable[[], Reply], retries: int) -> Reply:
    """What `call` answers with a status below 300, asked again as often as allowed. Raises `Failed`, `Gone`."""
    for attempt in range(retries + 1):
        try:
            reply = call()
        except HttpError as error:
            failed = Failed("algorithm", f"Unable to get response from algorithm: {error}")
            if isinstance(error, NobodyListens) and attempt == retries:
                raise Gone(str(error)) from error
            if isinstance(error, TooLarge):
                break
        else:
            if 200 <= reply.status < 300:
                return reply
            failed = refused(reply.status, reply.body[:SHOWN])
            if failed.fault == "client" and reply.status not in AGAIN:
                break
        if attempt < retries:
            time.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
    raise failed


def refused(status: int, body: bytes) -> Failed:
    """In AWS's words."""
    detail = body.decode("utf-8", "replace")
    if 400 <= status < 500:
        return Failed("client", f"ClientError: {status}", detail)
    return Failed("algorithm", f"Bad HTTP status received from algorithm: {status}", detail)


def named(content_type: str, accept: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (("content-type", content_type), ("accept", accept)) if value]


class Line:
    """A connection to one container, opened when needed and kept while it can be used again."""

    def __init__(self, path: Path, longest: int) -> None:
        self._path, self._longest = path, longest
        self._socket: socket.socket | None = None

    def call(self, request: bytes, seconds: float) -> Reply:
        """One request and its whole answer within so many seconds. Raises an `HttpError`."""
        deadline = time.monotonic() + seconds
        kept = self._socket is not None
        try:
            return self._exchange(request, deadline, seconds)
        except Unreachable:
            if not kept:
                raise
            # It was closed while idle; nothing of an answer had come.
            return self._exchange(request, deadline, seconds)

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes, deadline: float, seconds: float) -> Reply:
        kept, reader, begun = self._socket is not None, ReplyReader(self._longest), False
        try:
            line = self._socket = self._socket or listening(self._path, min(seconds, 5.0))
            _send(line, request, deadline)
            while True:
                line.settimeout(max(0.001, deadline - time.monotonic()))
                data = line.recv(CHUNK)
                begun = begun or bool(data)
                reply = reader.feed(data) if data else reader.end()
                if reply:
                    if not reader.keep_alive or len(request) > LARGE_BYTES:
                        self.close()
                    return reply
                if not data:
                    raise ConnectionResetError("the connection ended before an answer")
        except TimeoutError:
            self.close()
            raise TimedOut(f"no answer within {seconds:g} seconds") from None
        except OSError as error:
            self.close()
            raise (Unreachable if kept and not begun else Broken)(str(error)) from error
        except HttpError:
            self.close()
            raise


def _send(line: socket.socket, request: bytes, deadline: float) -> None:
    try:
        line.settimeout(max(0.001, deadline - time.monotonic()))
        line.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        # It may have answered without reading everything: what it said is still to be read.
        return


def listening(path: Path, seconds: float) -> socket.socket:
    """A connection to a container. Raises `NobodyListens`, or another `OSError`."""
    try:
        return _dial(path, seconds)
    except (ConnectionRefusedError, FileNotFoundError, remote_socket.NotReached) as error:
        raise NobodyListens(str(error)) from error


def _dial(path: Path, seconds: float) -> socket.socket:
    if path.name == remote_socket.NAME:
        return remote_socket.dial_blocking(path, seconds)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(seconds)
        # A socket's address holds 107 bytes, fewer than many a folder's path.
        line.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        line.close()
        raise
    finally:
        os.close(folder)
    return line
