"""A load client that costs the server little: one thread, raw sockets, requests prepared beforehand.

All servers of a comparison are driven by it, so what it costs is the same for each. Answers must have a length or be
chunked; a server that closes after each answer is connected to again, as any client would have to.
"""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

Address = tuple[str, int] | Path
"""A port, or a unix socket."""

SILENCE_SECONDS = 30.0


@dataclass(slots=True)
class Result:
    """One run. Latencies are seconds, in ascending order."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    """Whole, where they were asked for."""

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, part: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(part * len(self.latencies)))]


def drive(
    address: Address, requests: Sequence[bytes], connections: int, seconds: float = 0.0, *, keep: bool = False
) -> Result:
    """Send each request once, or over and over for `seconds`. Raises `RuntimeError` at an answer that is no 2xx."""
    source = cycle(requests) if seconds else iter(requests)
    open_now = {each.socket.fileno(): each for each in (Connection(address) for _ in range(connections))}
    poll = select.epoll()
    result = Result()
    started = time.perf_counter()
    end = started + seconds if seconds else float("inf")
    for number, connection in list(open_now.items()):
        request = next(source, None)
        if request is None:
            open_now.pop(number).socket.close()
            continue
        poll.register(number, select.EPOLLIN)
        connection.send(request)
    while open_now:
        ready = poll.poll(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError(f"{address} has not answered for {SILENCE_SECONDS:g} s")
        for number, _ in ready:
            connection = open_now[number]
            if not connection.receive():
                continue
            now = time.perf_counter()
            result.latencies.append(now - connection.sent_at)
            if keep:
                result.answers.append(connection.answer)
            request = next(source, None) if now < end else None
            if request is None:
                poll.unregister(number)
                open_now.pop(number).socket.close()
                continue
            if connection.closing:
                poll.unregister(number)
                del open_now[number]
                connection.reopen()
                open_now[connection.socket.fileno()] = connection
                poll.register(connection.socket.fileno(), select.EPOLLIN)
            connection.send(request)
    poll.close()
    result.seconds = time.perf_counter() - started
    result.latencies.sort()
    return result


class Connection:
    """One request under way at a time."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.closing = False
        self.sent_at = 0.0
        self.answer = b""
        self._ends = 0
        self.socket = _connect(address)

    def reopen(self) -> None:
        self.socket.close()
        self.socket = _connect(self.address)
        self.closing = False

    def send(self, request: bytes) -> None:
        self.answer, self._ends = b"", 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole now."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError(f"{self.address} closed the connection before its answer: {self.answer[:300]!r}")
        self.answer = self.answer + data if self.answer else data
        if not self._ends and not self._read_head():
            return False
        if self._ends < 0:
            return self.answer.endswith(b"0\r\n\r\n")
        return len(self.answer) >= self._ends

    def _read_head(self) -> bool:
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if self.answer[9:10] != b"2":
            raise RuntimeError(f"{self.address} answered {self.answer[:600]!r}")
        head = self.answer[:end].lower()
        self.closing = b"\r\nconnection: close" in head
        at = head.find(b"\r\ncontent-length:")
        self._ends = -1 if at < 0 else end + 4 + int(head[at + 17 :].split(b"\r", 1)[0])
        return True


def _connect(address: Address) -> socket.socket:
    if isinstance(address, Path):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.connect(str(address))
        return made
    made = socket.create_connection(address)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
