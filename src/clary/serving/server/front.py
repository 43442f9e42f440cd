"""The loop of a model server's worker: connections on one side, the app on the other.

One thread reads requests, calls the model and sends the answers: a call that takes a moment is handed to nobody, which
would take longer than many models do. While a call lasts, another thread stands in at the connections, so that `/ping`
is answered and further calls line up; it also ends the worker when the model never answers. The model is called by the
first thread only.

    Connections ──▶ App.take ──▶ Answer                  sent at once
                             ├─▶ Work                    in line for the model
                             └─▶ Work with an executor   done there, then sent
"""

import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from clary.serving.server.app import App, Work
from clary.serving.server.connections import LET_IN, Connections
from clary.serving.server.invocation import Answer, text
from clary.serving.server.requests import Connection, Request

STAND_IN_SECONDS = 0.02
"""A call that takes longer has the connections looked after meanwhile."""
QUIET_LOOKS = 50
"""Without a call, before long ones are no longer looked for."""
LAST_WORDS_SECONDS = 0.5
"""For an answer to be read, before the worker ends."""
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
        self._app = app
        self._timeout = timeout
        self._stuck = stuck
        self._connections = Connections(door, app.max_body, self._take)
        self._let_in = LET_IN if alone else 1
        self._waiting: deque[Call] = deque()
        self._working: list[Call] = []
        """The call in the model's hands. Whoever takes it out answers it."""
        self._is_busy = threading.Event()
        self._look_again = 0.0
        self._ending = False

    def run(self) -> None:
        """Answers calls, in this thread."""
        threading.Thread(target=self._stand_in, name="stand-in", daemon=True).start()
        while self._find_call():
            self._answer(self._waiting.popleft())

    def end(self) -> None:
        """Answer what is in hand and return."""
        self._ending = True
        self._connections.ring()

    # -- the model's thread

    def _find_call(self) -> bool:
        """Wait for one. False when no more will come."""
        connections, now = self._connections, time.monotonic()
        if self._waiting and (connections.is_stood_in or now < self._look_again):
            return True
        connections.relieve()
        with connections.lock:
            connections.watch_door(wanted=not self._ending)
            if now >= self._look_again:
                connections.tidy()
                connections.look(0)
                self._look_again = now + STAND_IN_SECONDS
            while not self._waiting:
                if self._ending:
                    connections.shut()
                    if connections.are_over:
                        return False
                connections.tidy()
                if not self._waiting:
                    connections.look(None, self._let_in)
        return True

    def _answer(self, call: Call) -> None:
        connection = call.connection
        if connection.gone:
            self._connections.leave(connection)
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
            self._connections.leave(connection)
        else:
            self._connections.send(connection, answer)

    # -- the thread that stands in

    def _stand_in(self) -> None:
        """Looks now and then whether a call lasts, as long as there are calls."""
        last, quiet = None, 0
        while True:
            self._is_busy.wait()
            time.sleep(STAND_IN_SECONDS)
            call = self._in_hand()
            if call is not None and call is last:
                self._look_after_connections()
            quiet = 0 if call else quiet + 1
            if quiet > QUIET_LOOKS:
                self._is_busy.clear()
                if self._working:
                    self._is_busy.set()
            last = call

    def _in_hand(self) -> Call | None:
        return next(iter(self._working), None)

    def _look_after_connections(self) -> None:
        """Until the model's thread has nothing in hand."""
        connections = self._connections
        with connections.lock:
            connections.is_stood_in = True
            connections.watch_door(wanted=False)
            try:
                while call := self._in_hand():
                    left = call.due - time.monotonic()
                    if left <= 0:
                        self._give_up(call)
                    connections.tidy()
                    connections.look(max(0.0, left))
            except BaseException:
                traceback.print_exc(file=sys.stderr)
                self._stuck()
            finally:
                connections.is_stood_in = False

    def _give_up(self, call: Call) -> None:
        """A thread cannot be ended, so the process is, as soon as the caller has been told."""
        try:
            self._working.pop()
        except IndexError:
            return
        connections = self._connections
        if not call.begun:
            told = text(500, f"the model did not answer within {self._timeout:g} seconds")
            connections.send(call.connection, told)
        end = time.monotonic() + LAST_WORDS_SECONDS
        while (left := end - time.monotonic()) > 0:
            connections.tidy()
            connections.look(left)
        self._stuck()

    # -- by whoever is at the connections

    def _take(self, connection: Connection, request: Request) -> None:
        self._pass_on(connection, self._app.take(request))

    def _pass_on(self, connection: Connection, taken: Answer | Work) -> None:
        connections = self._connections
        if isinstance(taken, Answer):
            connections.send(connection, taken)
        elif taken.executor is None:
            self._waiting.append(Call(connection, taken))
        else:
            done = taken.executor.submit(taken.run)
            done.add_done_callback(lambda done: connections.leave_to(partial(self._pass_on, connection, done.result())))
