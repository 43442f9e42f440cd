"""Bytes that are no proper HTTP, and clients that do not end what they began."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.hostile.signing import Answer, Request, answer, connect, exchange
from tests.hostile.site import Site
from tests.servers import PATIENCE, wait_until

MEGABYTE = 1024 * 1024
SOON = 15.0
"""Seconds; who had to wait for a silent client to be given up would wait for 30."""
HEALTH = b"GET /clary/health HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
GARBAGE = {
    "nothing at all": b"\r\n\r\n",
    "random bytes": bytes(range(256)) * 4,
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a method of 100,000 letters": b"A" * 100_000 + b" / HTTP/1.1\r\n\r\n",
    "a path of 1 MB": b"GET /" + b"a" * MEGABYTE + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 1 MB": HEALTH + b"X: " + b"a" * MEGABYTE + b"\r\n\r\n",
    "10,000 headers": HEALTH + b"".join(b"x-%d: a\r\n" % n for n in range(10_000)) + b"\r\n",
    "a header without a name": HEALTH + b": x\r\n\r\n",
    "a name with a blank": HEALTH + b"Content-Length : 0\r\n\r\n",
    "a folded header": HEALTH + b"X: a\r\n b: c\r\n\r\n",
    "a NUL in a header": HEALTH + b"X: a\0b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length in words": POST + b"Content-Length: two\r\n\r\n{}",
    "a length past 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n{}",
    "chunks that are none": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk past 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n",
    "a chunk extension of 1 MB": POST
    + b"Transfer-Encoding: chunked\r\n\r\n2;"
    + b"a" * MEGABYTE
    + b"\r\n{}\r\n0\r\n\r\n",
    "a trailer of 1 MB": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * MEGABYTE + b"\r\n\r\n",
    "an upgrade to a websocket": HEALTH.replace(b"/clary/health", b"/")
    + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n",
    "an upgrade to HTTP/2": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "a proxy's request": b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n",
    "an absolute address": b"GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_bytes_that_are_no_proper_request(site: Site, kind: str) -> None:
    """Refused or closed; two that HTTP allows and that only ask for health may be answered."""
    before = site.memory()
    with connect(site.port) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(GARBAGE[kind])
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        status = answer(sock).status
    assert status == 0 or 400 <= status < 500, status
    assert site.memory() - before < 64 * MEGABYTE


def test_length_and_chunks_together_hide_no_second_request(site: Site) -> None:
    """Whichever of the two counts, what follows the body is never taken for another request of its own."""
    hidden = b"GET /clary/health HTTP/1.1\r\nHost: hidden\r\n\r\n"
    for lines in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(hidden)),
        b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % (5 + len(hidden)),
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding:\x0bchunked\r\n",
    ):
        with connect(site.port) as sock:
            sock.sendall(POST + lines + b"\r\n0\r\n\r\n" + hidden)
            sock.shutdown(socket.SHUT_WR)
            received = b"".join(_all(sock))
        assert received.count(b'{"status":"ok"}') == 0, lines


def _all(sock: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(ConnectionResetError):
        while block := sock.recv(65536):
            yield block


def test_requests_in_a_row_are_answered_in_their_order(site: Site) -> None:
    first = site.owner.operation("ListModels", {}).wire()
    second = site.owner.operation("NoSuch", {}).wire()
    with connect(site.port) as sock:
        sock.sendall(first + second + HEALTH + b"Connection: close\r\n\r\n")
        received = b"".join(_all(sock))
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"404", b"200"]


def test_half_sent_requests_harm_nobody(site: Site) -> None:
    """300 that stop in the head, 300 that stop in the body; an honest client is served meanwhile."""
    (server,) = site.workers()
    threads = server.num_threads()
    half = site.owner.operation("ListModels", {}).with_headers(content_length="1000").wire()
    before = site.memory()
    with ExitStack() as stack:
        for kind in [half[:100], half] * 300:
            stack.enter_context(connect(site.port)).sendall(kind)
        slowest = max(_timed(site) for _ in range(20))
        assert slowest < SOON
        assert server.num_threads() - threads < 32
        assert site.memory() - before < 64 * MEGABYTE
    wait_until(lambda: len(server.net_connections("tcp")) < 100)


def _timed(site: Site) -> float:
    started = time.monotonic()
    assert site.owner.send(site.owner.operation("ListModels", {})).status == 200
    return time.monotonic() - started


def test_half_sent_requests_are_given_up(site: Site) -> None:
    """A head or a body that does not come is not awaited for ever."""
    half = site.owner.operation("ListModels", {}).with_headers(content_length="1000").wire()
    upload = site.owner.presign(_put(), 600).with_headers(content_length="1000").wire()
    found: dict[str, Answer] = {}

    def wait(name: str, raw: bytes) -> None:
        with connect(site.port) as sock:
            sock.settimeout(PATIENCE)
            sock.sendall(raw)
            found[name] = answer(sock)

    threads = [
        threading.Thread(target=wait, args=args)
        for args in (("head", half[:100]), ("body", half), ("object", upload + b"x"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert {name: told.status for name, told in found.items()} == {"head": 0, "body": 408, "object": 400}


def _put() -> Request:
    return Request("PUT", "/journeys/half")


def test_clients_that_go_away(site: Site) -> None:
    """In the middle of sending, and without reading the answer."""
    whole = site.owner.operation("ListTrainingJobs", {}).wire()
    for at in (1, len(whole) // 2, len(whole)):
        for _ in range(30):
            with connect(site.port) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                sock.sendall(whole[:at])
    assert exchange(site.port, HEALTH + b"\r\n").status == 200


def test_a_slow_reader_holds_up_nobody(site: Site) -> None:
    site.s3.put_object(Bucket="journeys", Key="large", Body=bytes(32 * MEGABYTE))
    raw = site.owner.presign(_get("large"), 600).wire()
    before = site.memory()
    with ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", site.port))
            sock.sendall(raw)
            sock.recv(100)
        assert max(_timed(site) for _ in range(10)) < SOON
        assert site.memory() - before < 200 * MEGABYTE


def _get(key: str) -> Request:
    return Request("GET", f"/journeys/{key}")
