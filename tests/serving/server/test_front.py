"""The loop of a model server's worker: who is called when, who looks after the connections meanwhile."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from tests.servers import PATIENCE, wait_until
from tests.serving.server.fronts import serving

from clary.serving.server.app import App, Work
from clary.serving.server.invocation import Answer, Invocation, text
from clary.serving.server.requests import Request

Address = tuple[str, int]
LARGE = b"0123456789abcdef" * (1 << 20)


class Model:
    """Answers with the body; waits for `go` where it is `wait`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.threads: set[int] = set()
        self.seen: list[bytes] = []

    def __call__(self, call: Invocation) -> Answer:
        self.threads.add(threading.get_ident())
        self.seen.append(call.body)
        if call.body == b"wait":
            assert self.go.wait(PATIENCE)
        return Answer(200, "text/plain", LARGE if call.body == b"large" else call.body)


@contextmanager
def connected(address: Address) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(*address, timeout=PATIENCE)) as connection:
        yield connection


def ask(address: Address, body: bytes = b"", path: str = "/invocations") -> bytes:
    with connected(address) as connection:
        return asked(connection, body, path)


def asked(connection: http.client.HTTPConnection, body: bytes, path: str = "/invocations") -> bytes:
    connection.request("POST", path, body)
    return connection.getresponse().read()


def test_calls_line_up_for_one_thread_and_pings_are_answered_meanwhile() -> None:
    model = Model()
    with serving(App(model)) as address, ThreadPoolExecutor(20) as callers:
        first = callers.submit(ask, address, b"wait")
        wait_until(lambda: model.seen == [b"wait"])
        rest = [callers.submit(ask, address, str(number).encode()) for number in range(10)]
        with connected(address) as connection:
            for _ in range(3):
                connection.request("GET", "/ping")
                assert connection.getresponse().read() == b""
        assert not any(each.done() for each in (first, *rest))
        model.go.set()
        assert [each.result() for each in (first, *rest)] == [b"wait", *(str(each).encode() for each in range(10))]
    assert len(model.threads) == 1


def test_a_connection_is_used_again_after_quick_and_slow_calls() -> None:
    model = Model()
    with serving(App(model)) as address, connected(address) as connection, ThreadPoolExecutor(1) as other:
        for number in range(3):
            assert asked(connection, str(number).encode()) == str(number).encode()
            model.go.clear()
            slow = other.submit(asked, connection, b"wait")
            wait_until(lambda number=number: model.seen.count(b"wait") == number + 1)
            assert ask(address, path="/ping") == b""
            model.go.set()
            assert slow.result() == b"wait"


def test_an_answer_that_is_read_slowly_keeps_nobody_waiting() -> None:
    with serving(App(Model())) as address, connected(address) as slow:
        slow.request("POST", "/invocations", b"large")
        assert ask(address, b"quick") == b"quick"
        assert slow.getresponse().read() == LARGE
        assert asked(slow, b"again") == b"again"


def test_large_bodies_come_whole() -> None:
    with serving(App(Model())) as address:
        assert ask(address, LARGE) == LARGE


def test_bodies_past_the_limit_are_refused() -> None:
    with serving(App(Model(), max_body=4)) as address:
        assert ask(address, b"1234") == b"1234"
        assert ask(address, LARGE) == b"the request holds more than 4 bytes"


def test_whoever_has_left_the_line_is_not_answered() -> None:
    model = Model()
    with serving(App(model)) as address, ThreadPoolExecutor(1) as caller:
        first = caller.submit(ask, address, b"wait")
        wait_until(lambda: model.seen == [b"wait"])
        with connected(address) as leaving:
            leaving.request("POST", "/invocations", b"left")
            ask(address, path="/ping")
            # Gone altogether, as whoever closes a unix socket is; a half of TCP might still listen.
            leaving.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for _ in range(3):
            ask(address, path="/ping")
        model.go.set()
        assert first.result() == b"wait"
        assert ask(address, b"next") == b"next"
    assert model.seen == [b"wait", b"next"]


def test_requests_that_come_together_are_answered_one_after_the_other() -> None:
    one = b"POST /invocations HTTP/1.1\r\ncontent-length: 1\r\n\r\n"
    with serving(App(Model())) as address, connected(address) as connection:
        connection.connect()
        connection.sock.sendall(one + b"a" + one + b"b" + one + b"c")
        answer = b""
        while answer.count(b"\r\n\r\n") < 3 or not answer.endswith(b"c"):
            answer += connection.sock.recv(1000)
    assert [part[:1] for part in answer.split(b"\r\n\r\n")[1:]] == [b"a", b"b", b"c"]


def test_what_is_no_request_is_answered_and_the_connection_closed() -> None:
    with serving(App(Model())) as address, connected(address) as connection:
        connection.connect()
        connection.sock.sendall(b"rubbish\r\n\r\n")
        answer = connection.sock.makefile("rb").read()
    assert (answer.split(b"\r\n")[0], answer.split(b"\r\n\r\n")[1]) == (
        b"HTTP/1.1 400 Bad Request",
        b"no HTTP/1.1 request",
    )


class Aside(App):
    """Has another thread find out what the model is to do."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.aside = ThreadPoolExecutor(1)

    def take(self, request: Request) -> Answer | Work:
        return Work(lambda: super(Aside, self).take(request), self.aside)


def test_work_may_be_done_aside_before_the_model_is_called() -> None:
    model = Model()
    with serving(Aside(model)) as address:
        assert [ask(address, body) for body in (b"one", b"two")] == [b"one", b"two"]
        assert ask(address, path="/nowhere") == b"not found"
    assert len(model.threads) == 1


def test_a_model_that_does_not_answer_ends_the_worker_when_its_caller_was_told() -> None:
    model, stuck = Model(), threading.Event()
    with serving(App(model), timeout=0.2, stuck=stuck.set) as address:
        assert ask(address, b"wait") == b"the model did not answer within 0.2 seconds"
        assert stuck.wait(PATIENCE)
        model.go.set()


def test_at_the_end_what_is_in_hand_is_answered() -> None:
    model = Model()
    with ThreadPoolExecutor(2) as callers:
        with serving(App(model)) as address, connected(address) as idle:
            asked(idle, b"idle")
            first = callers.submit(ask, address, b"wait")
            wait_until(lambda: b"wait" in model.seen)
            second = callers.submit(ask, address, b"second")
            for _ in range(3):
                ask(address, path="/ping")
            threading.Timer(0.2, model.go.set).start()
        assert [first.result(), second.result()] == [b"wait", b"second"]


def test_a_long_line_of_quick_calls_keeps_no_ping_waiting_to_its_end() -> None:
    answered = []

    def model(call: Invocation) -> Answer:
        time.sleep(0.005)
        answered.append(call.body)
        return Answer(200, "text/plain", call.body)

    with serving(App(model)) as address:
        line = [http.client.HTTPConnection(*address, timeout=PATIENCE) for _ in range(200)]
        for each in line:
            each.request("POST", "/invocations", b"call")
        assert ask(address, path="/ping") == b""
        assert len(answered) < len(line)
        for each in line:
            assert each.getresponse().read() == b"call"
            each.close()


def test_a_request_that_the_app_fails_at_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Failing(App):
        def take(self, request: Request) -> Answer | Work:
            return Answer(200, "", b"1") if request.body else text(200, str(1 // len(request.body)))

    with serving(Failing(Model())) as address:
        assert [ask(address), ask(address, b"one")] == [b"integer division or modulo by zero", b"1"]
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_many_connections_at_once() -> None:
    with serving(App(Model())) as address:
        open_now = [http.client.HTTPConnection(*address, timeout=PATIENCE) for _ in range(300)]
        for number, each in enumerate(open_now):
            each.request("POST", "/invocations", str(number))
        assert [each.getresponse().read() for each in open_now] == [str(number).encode() for number in range(300)]
        for each in open_now:
            each.close()
