"""What arrives on a connection of the model server, and what is sent there."""

import socket
from collections.abc import Iterator

import pytest

from clary.serving.server.invocation import Answer
from clary.serving.server.requests import MAX_HEAD, Bad, Connection

Pair = tuple[socket.socket, Connection]
CALL = b"POST /invocations?a=b HTTP/1.1\r\nContent-Type: text/csv\r\ncontent-length: 3\r\n\r\n1,2"


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A caller and the connection that it calls; bodies of up to ten bytes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield theirs, Connection(ours, max_body=10)


def test_a_request_is_whole_when_its_last_byte_is_here(pair: Pair) -> None:
    caller, connection = pair
    for byte in CALL[:-1]:
        caller.send(bytes([byte]))
        assert (connection.read(), connection.next(), connection.begun) == (True, None, True)
    caller.send(CALL[-1:])
    connection.read()
    request = connection.next()
    assert request
    assert (request.method, request.path, request.query, request.body) == ("POST", "/invocations", "a=b", b"1,2")
    assert request.headers == {"content-type": "text/csv", "content-length": "3"}
    assert (connection.begun, connection.is_over) == (False, False)


def test_requests_may_come_together(pair: Pair) -> None:
    caller, connection = pair
    caller.send(CALL + CALL + CALL[:20])
    connection.read()
    found = [connection.next() for _ in range(3)]
    assert [request and request.body for request in found] == [b"1,2", b"1,2", None]
    assert connection.begun


def test_whoever_has_gone_is_not_read(pair: Pair) -> None:
    caller, connection = pair
    assert connection.read()
    caller.close()
    assert not connection.read()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /ping HTTP/2", 400),
        (b"GET ping HTTP/1.1", 400),
        (b"\x16\x03\x01\xff", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: \xb2", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked", 411),
    ],
)
def test_what_is_no_request_is_refused(pair: Pair, head: bytes, status: int) -> None:
    caller, connection = pair
    caller.sendall(head + b"\r\n\r\n")
    connection.read()
    with pytest.raises(Bad) as refused:
        connection.next()
    assert refused.value.status == status


def test_a_head_without_an_end_is_refused_before_it_fills_memory(pair: Pair) -> None:
    caller, connection = pair
    with pytest.raises(Bad, match="too long"):
        for _ in range(MAX_HEAD // 1000 + 2):
            caller.send(b"x" * 1000)
            connection.read()
            assert connection.next() is None


def test_a_body_that_is_too_long_is_read_to_its_end_and_not_kept(pair: Pair) -> None:
    caller, connection = pair
    caller.send(b"POST / HTTP/1.1\r\ncontent-length: 11\r\n\r\n0123456789")
    connection.read()
    assert connection.next() is None
    caller.send(b"x")
    connection.read()
    with pytest.raises(Bad, match="more than 10 bytes"):
        connection.next()


def test_a_caller_that_asks_first_is_told_to_go_on(pair: Pair) -> None:
    caller, connection = pair
    caller.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n")
    connection.read()
    assert (connection.next(), caller.recv(100)) == (None, b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "told", "over"),
    [("1.1", "", False), ("1.1", "close", True), ("1.0", "", True), ("1.0", "Keep-Alive", False)],
)
def test_a_connection_is_kept_as_its_caller_wants(pair: Pair, version: str, told: str, over: bool) -> None:
    caller, connection = pair
    caller.send(f"GET /ping HTTP/{version}\r\nconnection: {told}\r\n\r\n".encode())
    connection.read()
    assert connection.next()
    assert connection.send(Answer(200, "text/plain", b"pong", {"x-y": "z"})) is None
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-y: z\r\n"
    head += b"connection: close\r\ncontent-length: 4\r\n" if over else b"content-length: 4\r\n"
    assert (connection.is_over, caller.recv(1000)) == (over, head + b"\r\npong")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_content_is_its_head(pair: Pair, status: bytes) -> None:
    caller, connection = pair
    connection.send(Answer(int(status[:3]), "", b"what a script gave with it"))
    assert caller.recv(1000) == b"HTTP/1.1 " + status + b"\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\0", "\x85", "\u2028"])
def test_a_header_that_would_be_two_is_an_error_of_the_model(pair: Pair, value: str) -> None:
    caller, connection = pair
    connection.send(Answer(200, value, b"x"))
    connection.send(Answer(200, "text/plain", b"x", {"x-y": value}))
    answers = caller.recv(10_000)
    assert (answers.count(b"HTTP/1.1 500"), answers.count(b"HTTP/1.1"), b"b: c" in answers) == (2, 2, False)


def test_a_header_beyond_latin_1_is_an_error_of_the_model(pair: Pair) -> None:
    caller, connection = pair
    connection.send(Answer(200, "text/\u4e2d", b"x"))
    assert caller.recv(100).startswith(b"HTTP/1.1 500 ")
