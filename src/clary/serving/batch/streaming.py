"""A whole object through the containers without ever holding it: chunked there, into a file back.

For jobs whose payloads have no bound (`MaxPayloadInMB` 0). The containers of a pipeline follow one another by way of
files. A stream has a deadline for all of it, like any other call.
"""

import contextlib
import http.client
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from clary.serving.batch.client import SHOWN, listening, named, trying
from clary.serving.batch.job import Job
from clary.serving.reply import Broken, Reply, TimedOut, Unreachable

CHUNK = 256 * 1024


def transform(job: Job, open_source: Callable[[], BinaryIO], target: Path) -> None:
    """The object into `target`. Raises `Failed`, `Gone`, `OSError`, and what reading the source raises."""
    content_type, before = job.content_type, target.with_suffix(".before")
    for number, path in enumerate(job.sockets):
        is_last = number == len(job.sockets) - 1
        stream = _Stream(Path(path), named(content_type, job.accept if is_last else ""), job.timeout)
        reply = trying(partial(stream.send, open_source, target), job.retries)
        content_type = reply.headers.get("content-type", content_type)
        if not is_last:
            target.replace(before)
            open_source = partial(_opened, before)
    before.unlink(missing_ok=True)


def _opened(file: Path) -> BinaryIO:
    return file.open("rb")


class _Stream(NamedTuple):
    """A call whose bodies are files."""

    path: Path
    headers: list[tuple[str, str]]
    seconds: float

    def send(self, open_source: Callable[[], BinaryIO], target: Path) -> Reply:
        """The head of the answer, whose body is in `target`; a refusal's is here. Raises an `HttpError`."""
        connection = _Connection(self.path, self.seconds)
        with open_source() as source, target.open("wb") as out, contextlib.closing(connection), _told(self.seconds):
            headers = dict(self.headers) | {"Transfer-Encoding": "chunked"}
            # It may answer without reading everything: what it said is still to be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", "/invocations", _chunks(source), headers, encode_chunked=True)
            answer = connection.getresponse()
            kept = {name.lower(): value for name, value in answer.getheaders()}
            if not 200 <= answer.status < 300:
                return Reply(answer.status, kept, answer.read(SHOWN))
            shutil.copyfileobj(answer, out, CHUNK)
            return Reply(answer.status, kept, b"")


class _told:
    """The errors of a stream as those of any call. What the disk says passes through."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TimeoutError):
            raise TimedOut(f"no answer within {self._seconds:g} seconds") from error
        if isinstance(error, ConnectionError):
            raise Unreachable(str(error)) from error
        # A container may give the next one a content type that is no header.
        if isinstance(error, http.client.HTTPException | ValueError):
            raise Broken(str(error) or type(error).__name__) from error


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while block := source.read(CHUNK):
        yield block


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("model")
        self._path, self._seconds = path, seconds

    def connect(self) -> None:
        line = listening(self._path, min(self._seconds, 5.0))
        self.sock = _Timed(line.family, line.type, fileno=line.detach())
        self.sock.deadline = time.monotonic() + self._seconds


class _Timed(socket.socket):
    """Every wait counts against one deadline: a peer that sends a byte now and then does not live for ever."""

    deadline = 0.0

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._wait()
        super().sendall(data, flags)

    def recv_into(self, *given: Any, **named: Any) -> int:
        self._wait()
        return super().recv_into(*given, **named)

    def _wait(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
