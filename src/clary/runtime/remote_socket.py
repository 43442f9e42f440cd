"""A model server's socket on another machine: where it is, and how both ends prove that they know its secret.

The node's end is `cluster/exposing.py`. The controller leaves an `Address` where a local instance has its socket; the
gateway and the health check open lines to it. The secret itself never goes over a line, and neither end says anything
to a stranger: an old address may by now belong to somebody else's program.

    caller -> node: a number of its own            node -> caller: a number of its own and its proof
    caller -> node: its proof                      node -> caller: READY, once the model server has accepted
"""

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
from collections.abc import Generator
from pathlib import Path

import msgspec

NAME = "serve.remote"
"""The file of the address."""
NUMBER, PROOF = 32, 32
"""Bytes."""
READY = b"\1"
DIAL_SECONDS = 5.0
"""A node that was cut off does not even refuse."""


class Address(msgspec.Struct, frozen=True):
    """`secret`: hexadecimal digits, of this instance alone."""

    host: str
    port: int
    secret: str


_read_address = msgspec.json.Decoder(Address).decode


class NotReached(ConnectionError):
    """Nothing was sent of what the caller wants to send."""


def new_secret() -> str:
    return secrets.token_hex(32)


def prove(secret: str, who: bytes, callers: bytes, nodes: bytes) -> bytes:
    """`who`: `b"caller"` or `b"node"`; the numbers of both ends."""
    return hmac.digest(bytes.fromhex(secret), who + callers + nodes, "sha256")


def is_proof(found: bytes, secret: str, who: bytes, callers: bytes, nodes: bytes) -> bool:
    return hmac.compare_digest(found, prove(secret, who, callers, nodes))


async def dial(file: Path) -> socket.socket:
    """A line to the model server at the address in a file, in non-blocking mode. Raises `OSError`."""
    address = read(file)
    loop = asyncio.get_running_loop()
    line = _line(address)
    try:
        line.setblocking(False)
        async with asyncio.timeout(DIAL_SECONDS):
            await loop.sock_connect(line, (address.host, address.port))
            steps = _handshake(address.secret)
            out, count = next(steps)
            while True:
                await loop.sock_sendall(line, out)
                got = b""
                while len(got) < count:
                    got += _some(await loop.sock_recv(line, count - len(got)))
                out, count = steps.send(got)
    except StopIteration:
        return line
    except BaseException as error:
        line.close()
        if isinstance(error, TimeoutError):
            raise NotReached("the node did not answer in time") from None
        raise


def dial_blocking(file: Path, seconds: float) -> socket.socket:
    """Likewise, for a thread; `seconds` is the timeout of each of its operations."""
    address = read(file)
    line = _line(address)
    try:
        line.settimeout(seconds)
        line.connect((address.host, address.port))
        steps = _handshake(address.secret)
        out, count = next(steps)
        while True:
            line.sendall(out)
            got = b""
            while len(got) < count:
                got += _some(line.recv(count - len(got)))
            out, count = steps.send(got)
    except StopIteration:
        return line
    except BaseException:
        line.close()
        raise


def read(file: Path) -> Address:
    """Raises `NotReached` while there is none."""
    try:
        return _read_address(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError) as error:
        raise NotReached("the instance has no address yet") from error


def _handshake(secret: str) -> Generator[tuple[bytes, int], bytes, None]:
    """The caller's part: what to send, and how many bytes to await then."""
    own = os.urandom(NUMBER)
    told = yield own, NUMBER + PROOF
    nodes, proof = told[:NUMBER], told[NUMBER:]
    if not is_proof(proof, secret, b"node", own, nodes):
        raise NotReached("what answers at the instance's address is not its node")
    if (yield prove(secret, b"caller", own, nodes), len(READY)) != READY:
        raise NotReached("the node did not let the call in")


def _line(address: Address) -> socket.socket:
    line = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    with contextlib.suppress(OSError):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _some(data: bytes) -> bytes:
    if not data:
        raise NotReached("the node ended the line")
    return data
