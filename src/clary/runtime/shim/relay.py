"""TCP connections carried from listening sockets in one network to an address in another."""

import contextlib
import select
import socket

CHUNK = 64 * 1024


class _Flow:
    """One direction of a connection: what was read from `source` and not yet written to `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.waiting = b""
        self.ended = False


class Relay:
    """All connections of one workload, in whatever loop calls `serve`; no connection can hold up another."""

    def __init__(self, listeners: list[socket.socket], endpoint: list[str]) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._endpoint = endpoint
        self._flows: dict[int, list[_Flow]] = {}
        """By descriptor: the flow out of it, the flow into it."""

    def register(self, poll: "select.poll") -> None:
        """Say to the loop what to wait for."""
        self._poll = poll
        for fd, listener in self._listeners.items():
            listener.setblocking(False)
            poll.register(fd, select.POLLIN)

    def serve(self, fd: int, events: int) -> None:
        """Do what the event asks for."""
        if fd in self._listeners:
            self._accept(self._listeners[fd])
        elif fd in self._flows:
            try:
                self._move(fd, events)
            except OSError:
                self._close(fd)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            inner, _ = listener.accept()
            try:
                outer = socket.create_connection((self._endpoint[0], int(self._endpoint[1])), timeout=5)
            except OSError:
                inner.close()
                return
            self._join(inner, outer)

    def _join(self, inner: socket.socket, outer: socket.socket) -> None:
        there, back = _Flow(inner, outer), _Flow(outer, inner)
        for sock, flows in ((inner, [there, back]), (outer, [back, there])):
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._flows[sock.fileno()] = flows
            self._poll.register(sock.fileno(), select.POLLIN)

    def _move(self, fd: int, events: int) -> None:
        out, into = self._flows[fd]
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not out.waiting and not out.ended:
            out.waiting = out.source.recv(CHUNK)
            out.ended = not out.waiting
        for flow in (out, into):
            _push(flow)
        if out.ended and into.ended and not out.waiting and not into.waiting:
            self._close(fd)
            return
        for sock in (out.source, out.sink):
            self._await(sock)

    def _await(self, sock: socket.socket) -> None:
        """Ask for more only where it can be kept: what waits is at most one chunk in each direction."""
        out, into = self._flows[sock.fileno()]
        readable = select.POLLIN if not out.waiting and not out.ended else 0
        self._poll.modify(sock.fileno(), readable | (select.POLLOUT if into.waiting else 0))

    def _close(self, fd: int) -> None:
        for flow in self._flows.get(fd, []):
            number = flow.source.fileno()
            if number >= 0:
                self._poll.unregister(number)
                del self._flows[number]
                flow.source.close()


def _push(flow: _Flow) -> None:
    with contextlib.suppress(BlockingIOError):
        if flow.waiting:
            flow.waiting = flow.waiting[flow.sink.send(flow.waiting) :]
        if flow.ended and not flow.waiting:
            with contextlib.suppress(OSError):
                flow.sink.shutdown(socket.SHUT_WR)
