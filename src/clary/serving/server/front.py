"""The loop of a model server's worker: connections on one side, the app on the other.

One thread reads requests, calls the model and sends the answers: a call that takes a moment is handed to nobody, which
would take longer than many models do. While a call lasts, another thread stands in at the connections, so that `/ping`
is answered and further calls line up; it also ends the worker when the model never answers. The model is called by the
first thread only.

    poll ──▶ Connection.next ──▶ App.take ──▶ Answer                  sent at once
                                          ├─▶ Work                    in line for the model
                                          └─▶ Work with an executor   done there, then sent
"""

import os
import select
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from clary.serving.server.app import App, Work
from clary.serving.server.invocation import Answer, text
from clary.serving.server.requests import Bad, Connection

STAND_IN_SECONDS = 0.02
"""A call that takes longer has the connections looked after meanwhile."""
DOOR_SECONDS = 0.05
"""How long new connections are left to the other workers while this one is in a call."""
QUIET_LOOKS = 50
"""Without a call, before long ones are no longer looked for."""
LAST_WORDS_SECONDS = 0.5
"""For an answer to be read, before the worker ends."""
LET_IN = 64
"""Most connections accepted at once; at leisure one by one, so that other workers at leisure have their part."""
STREAM_SECONDS = 540.0
"""A streamed answer that takes longer has been given up by the platform, and its worker is replaced."""


@dataclass(slots=True, eq=False)
class Call:
    """One in line for the model, or in its hands until `due`. `begun`: its answer is on its way."""

    connection: Connection
    work: Work
    due: float = 0.0
    begun: bool = False


class Front:
    """`run` serves until `end`, which any thread or signal handler may call."""

    def __init__(
        self, door: socket.socket, app: App, timeout: float, stuck: Callable[[], object], *, alone: bool = True
    ) -> None:
        """`door` listens. `stuck` ends the process, whose model has not answered within `timeout` seconds.

        `alone`: no other worker accepts connections there.
        """
        door.setblocking(False)
        self._door = door
        self._app = app
        self._timeout = timeout
        self._stuck = stuck
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._bell, select.EPOLLIN)
        self._listens = False
        self._open: dict[int, Connection] = {}
        self._waiting: deque[Call] = deque()
        self._working: list[Call] = []
        """The call in the model's hands. Whoever takes it out answers it."""
        self._answered: deque[Connection] = deque()
        self._later: deque[Callable[[], None]] = deque()
        """What other threads leave to the one at the connections."""
        self._at_connections = threading.Lock()
        self._is_stood_in = False
        self._is_busy = threading.Event()
        self._ending = False
        self._look_again = 0.0
        self._let_in = LET_IN if alone else 1

    def run(self) -> None:
        """Answers calls, in this thread."""
        threading.Thread(target=self._stand_in, name="stand-in", daemon=True).start()
        while self._find_call():
            self._answer(self._waiting.popleft())

    def end(self) -> None:
        """Answer what is in hand and return."""
        self._ending = True
        self._ring()

    # -- the model's thread

    def _find_call(self) -> bool:
        """Wait for one. False when no more will come."""
        now = time.monotonic()
        if self._waiting and (self._is_stood_in or now < self._look_again):
            return True
        self._relieve()
        with self._at_connections:
            self._listen(wanted=not self._ending)
            if now >= self._look_again:
                self._turn(0, LET_IN)
                self._look_again = now + STAND_IN_SECONDS
            while not self._waiting:
                if self._ending and self._is_over():
                    return False
                self._turn(None if self._listens or self._ending else DOOR_SECONDS, self._let_in)
        return True

    def _answer(self, call: Call) -> None:
        connection = call.connection
        if connection.gone:
            self._leave(connection)
            return
        call.due = time.monotonic() + self._timeout
        self._working.append(call)
        if not self._is_busy.is_set():
            self._is_busy.set()
        answer = call.work.run()
        assert isinstance(answer, Answer)
        if answer.pieces is not None:
            call.due, call.begun = time.monotonic() + STREAM_SECONDS, True
            connection.stream(answer)
        try:
            self._working.pop()
        except IndexError:
            # It was given up: the process is about to end.
            return
        if call.begun:
            self._leave(connection)
        else:
            self._send(connection, answer)

    def _relieve(self) -> None:
        """Whoever stands in looks up."""
        if self._is_stood_in:
            self._ring()

    # -- the thread that stands in

    def _stand_in(self) -> None:
        """Looks now and then whether a call lasts, as long as there are calls."""
        last, quiet = None, 0
        while True:
            self._is_busy.wait()
            time.sleep(STAND_IN_SECONDS)
            call = self._in_hand()
            if call is not None and call is last:
                self._lead()
            quiet = 0 if call else quiet + 1
            if quiet > QUIET_LOOKS:
                self._is_busy.clear()
                if self._working:
                    self._is_busy.set()
            last = call

    def _in_hand(self) -> Call | None:
        return next(iter(self._working), None)

    def _lead(self) -> None:
        """Until the model's thread has nothing in hand."""
        with self._at_connections:
            self._is_stood_in = True
            self._listen(wanted=False)
            try:
                while call := self._in_hand():
                    left = call.due - time.monotonic()
                    if left <= 0:
                        self._give_up(call)
                    self._turn(min(DOOR_SECONDS, max(0.0, left)))
            except BaseException:
                traceback.print_exc(file=sys.stderr)
                self._stuck()
            finally:
                self._is_stood_in = False

    def _give_up(self, call: Call) -> None:
        """A thread cannot be ended, so the process is, as soon as the caller has been told."""
        try:
            self._working.pop()
        except IndexError:
            return
        if not call.begun:
            self._send(call.connection, text(500, f"the model did not answer within {self._timeout:g} seconds"))
        end = time.monotonic() + LAST_WORDS_SECONDS
        while (left := end - time.monotonic()) > 0:
            self._turn(left)
        self._stuck()

    # -- at the connections, by the thread that has the lock

    def _turn(self, seconds: float | None, let_in: int = LET_IN) -> None:
        """One look at the connections, which waits at most so long for news; up to `let_in` new ones are accepted."""
        while self._later:
            self._later.popleft()()
        while self._answered:
            self._go_on(self._answered.popleft())
        if seconds is None and self._waiting:
            seconds = 0
        for number, event in self._poll.poll(seconds):
            if number == self._bell:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            elif connection := self._open.get(number):
                self._look_at(connection, event)
            elif self._listens:
                self._accept(let_in)
        if not self._listens and not self._ending:
            self._accept(let_in)

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
            if request is None:
                return
            connection.busy = True
            taken = self._app.take(request)
        except Bad as bad:
            self._send(connection, text(bad.status, str(bad)), last=True)
        except Exception as error:
            # A border: one request must not end the worker.
            traceback.print_exc(file=sys.stderr)
            self._send(connection, text(500, str(error)), last=True)
        else:
            self._pass_on(connection, taken)

    def _pass_on(self, connection: Connection, taken: Answer | Work) -> None:
        if isinstance(taken, Answer):
            self._send(connection, taken)
        elif taken.executor is None:
            self._waiting.append(Call(connection, taken))
        else:
            done = taken.executor.submit(taken.run)
            done.add_done_callback(lambda done: self._leave_to(partial(self._pass_on, connection, done.result())))

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
                connection = Connection(line, self._app.max_body)
                self._open[connection.number] = connection
                self._poll.register(connection.number, select.EPOLLIN)
        except BlockingIOError:
            pass
        except OSError:
            # No file is free: looked at again when a call has been answered, or a moment later.
            self._listen(wanted=False)

    def _listen(self, *, wanted: bool) -> None:
        """A worker in a call takes only those connections that no other one has taken."""
        if wanted and not self._listens:
            self._poll.register(self._door, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        elif self._listens and not wanted:
            self._poll.unregister(self._door)
        self._listens = wanted

    def _close(self, connection: Connection) -> None:
        del self._open[connection.number]
        if not connection.deaf:
            self._poll.unregister(connection.number)
        connection.line.close()

    def _is_over(self) -> bool:
        """Nothing is in hand. What has come is in hand."""
        self._listen(wanted=False)
        self._turn(0)
        for connection in [each for each in self._open.values() if not each.busy and not each.begun]:
            self._close(connection)
        return not self._open

    # -- by any thread

    def _send(self, connection: Connection, answer: Answer, *, last: bool = False) -> None:
        connection.busy = True
        if rest := connection.send(answer, last=last):
            self._leave_to(partial(self._send_on, connection, rest))
        else:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """It was answered."""
        self._answered.append(connection)
        self._relieve()

    def _leave_to(self, what: Callable[[], None]) -> None:
        self._later.append(what)
        self._ring()

    def _send_on(self, connection: Connection, rest: memoryview) -> None:
        connection.unsent = rest
        watch = self._poll.register if connection.deaf else self._poll.modify
        watch(connection.number, select.EPOLLOUT)
        connection.deaf = False

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)
