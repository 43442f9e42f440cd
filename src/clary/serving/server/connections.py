"""The connections of a model server's worker: accepted, read, answered and closed. `front.py` has one such object.

One thread at a time is at them, which holds `lock`; the methods below `by any thread` may be called by others.
"""

import os
import select
import socket
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from clary.serving.server.invocation import Answer, text
from clary.serving.server.requests import Bad, Connection, Request

LET_IN = 64
"""Most connections accepted at once; at leisure one by one, so that other workers at leisure have their part."""
DOOR_SECONDS = 0.05
"""How long new connections are left to other workers where the door is not watched."""


class Connections:
    """`heard` is told of each whole request; its connection is busy until `send` or `leave`."""

    def __init__(self, door: socket.socket, max_body: int | None, heard: Callable[[Connection, Request], None]) -> None:
        door.setblocking(False)
        self.lock = threading.Lock()
        self.is_stood_in = False
        """Whoever has the lock is to be woken by what others do."""
        self._door = door
        self._max_body = max_body
        self._heard = heard
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._bell, select.EPOLLIN)
        self._watches_door = False
        self._is_shut = False
        self._open: dict[int, Connection] = {}
        self._answered: deque[Connection] = deque()
        self._later: deque[Callable[[], None]] = deque()
        """What other threads leave to the one here."""

    def tidy(self) -> None:
        """What was answered goes on."""
        while self._later:
            self._later.popleft()()
        while self._answered:
            self._go_on(self._answered.popleft())

    def look(self, seconds: float | None, let_in: int = LET_IN) -> None:
        """What comes within so many seconds is read, and up to `let_in` new connections are accepted."""
        if not (self._watches_door or self._is_shut):
            seconds = DOOR_SECONDS if seconds is None else min(seconds, DOOR_SECONDS)
        for number, event in self._poll.poll(seconds):
            if number == self._bell:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            elif connection := self._open.get(number):
                self._look_at(connection, event)
            elif self._watches_door:
                self._accept(let_in)
        if not (self._watches_door or self._is_shut):
            self._accept(let_in)

    def watch_door(self, *, wanted: bool) -> None:
        """A worker in a call takes only those connections that no other one has taken."""
        if wanted and not self._watches_door:
            self._poll.register(self._door, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        elif self._watches_door and not wanted:
            self._poll.unregister(self._door)
        self._watches_door = wanted

    def shut(self) -> None:
        """No new connections; those that have nothing in hand are closed. What has come is in hand."""
        self.watch_door(wanted=False)
        self._is_shut = True
        self.tidy()
        self.look(0)
        for connection in [each for each in self._open.values() if not each.busy and not each.begun]:
            self._close(connection)

    @property
    def are_over(self) -> bool:
        return not self._open

    def _look_at(self, connection: Connection, event: int) -> None:
        if connection.unsent:
            connection.flush()
            if not connection.unsent:
                self._poll.modify(connection.number, select.EPOLLIN)
                self._go_on(connection)
        elif connection.busy:
            # It hung up, or sent the next request already.
            connection.gone, connection.deaf = bool(event & (select.EPOLLHUP | select.EPOLLERR)), True
            self._poll.unregister(connection.number)
        elif connection.read():
            self._heed(connection)
        else:
            self._close(connection)

    def _heed(self, connection: Connection) -> None:
        try:
            request = connection.next()
            if request is not None:
                connection.busy = True
                self._heard(connection, request)
        except Bad as bad:
            self.send(connection, text(bad.status, str(bad)), last=True)
        except Exception as error:
            # A border: one request must not end the worker.
            traceback.print_exc(file=sys.stderr)
            self.send(connection, text(500, str(error)), last=True)

    def _go_on(self, connection: Connection) -> None:
        """After an answer."""
        connection.busy = False
        if connection.is_over or connection.gone:
            self._close(connection)
            return
        if connection.deaf:
            self._poll.register(connection.number, select.EPOLLIN)
            connection.deaf = False
        if connection.begun:
            self._heed(connection)

    def _accept(self, most: int) -> None:
        try:
            for _ in range(most):
                line, _ = self._door.accept()
                connection = Connection(line, self._max_body)
                self._open[connection.number] = connection
                self._poll.register(connection.number, select.EPOLLIN)
        except BlockingIOError:
            pass
        except OSError:
            # No file is free: looked at again when a call has been answered, or a moment later.
            self.watch_door(wanted=False)

    def _close(self, connection: Connection) -> None:
        del self._open[connection.number]
        if not connection.deaf:
            self._poll.unregister(connection.number)
        connection.line.close()

    # -- by any thread

    def send(self, connection: Connection, answer: Answer, *, last: bool = False) -> None:
        connection.busy = True
        if rest := connection.send(answer, last=last):
            self.leave_to(partial(self._send_on, connection, rest))
        else:
            self.leave(connection)

    def leave(self, connection: Connection) -> None:
        """It was answered, or need not be."""
        self._answered.append(connection)
        self.relieve()

    def leave_to(self, what: Callable[[], None]) -> None:
        """It is done by the thread that has the lock."""
        self._later.append(what)
        self.ring()

    def relieve(self) -> None:
        """Whoever stands in looks up."""
        if self.is_stood_in:
            self.ring()

    def ring(self) -> None:
        """Whoever looks, looks up."""
        os.eventfd_write(self._bell, 1)

    def _send_on(self, connection: Connection, rest: memoryview) -> None:
        connection.unsent = rest
        watch = self._poll.register if connection.deaf else self._poll.modify
        watch(connection.number, select.EPOLLOUT)
        connection.deaf = False
