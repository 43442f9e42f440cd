"""A model server's socket as other machines reach it: who knows the secret is carried to it, and nobody else."""

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.ports import free_port
from tests.serving.sockets import ok, read_request, server

from clary.runtime import remote_socket
from clary.runtime.cluster.exposing import Exposed
from clary.runtime.remote_socket import NUMBER, PROOF, Address, new_secret
from clary.serving.gateway import Gateway, Variant
from clary.serving.http import Pool, request_bytes
from clary.serving.reply import Unreachable

HERE = "127.0.0.1"


def in_a_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    return functools.wraps(test)(lambda **fixtures: asyncio.run(test(**fixtures)))


async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(ok(request.partition(b"\r\n\r\n")[2]))
    await writer.drain()


@pytest.fixture
def exposed(tmp_path: Path) -> Iterator[Exposed]:
    made = Exposed(tmp_path / "serve.sock", Address(HERE, 0, new_secret()))
    yield made
    made.close()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Address, str], Path]:
    def write(address: Address, folder: str) -> Path:
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / remote_socket.NAME
        file.write_bytes(msgspec.json.encode(address))
        return file

    return write


@in_a_loop
async def test_calls_are_carried_both_ways(
    exposed: Exposed, written: Callable[[Address, str], Path], tmp_path: Path
) -> None:
    pool = Pool(written(exposed.address, "known"), 100_000_000)
    bodies = [os.urandom(size) for size in (1, 100_000, 5_000_000)]
    async with server(tmp_path / "serve.sock", echo) as seen:
        for _ in range(2):
            replies = await asyncio.gather(*(pool.send(request_bytes("POST", "/", [], body), 60) for body in bodies))
            assert [reply.body for reply in replies] == bodies
        assert len(seen) == 6
    pool.close()


@in_a_loop
async def test_strangers_are_cut_off_and_learn_nothing(
    exposed: Exposed, written: Callable[[Address, str], Path], tmp_path: Path
) -> None:
    wrong = written(Address(HERE, exposed.address.port, new_secret()), "wrong")
    async with server(tmp_path / "serve.sock", echo) as seen:
        with pytest.raises(Unreachable, match="not its node"):
            await Pool(wrong, 1000).send(request_bytes("POST", "/", [], b""), 60)
        reader, writer = await asyncio.open_connection(HERE, exposed.address.port)
        writer.write(bytes(NUMBER + PROOF) + b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(NUMBER + PROOF + 1)
        writer.close()
        assert seen == []


@in_a_loop
async def test_an_impostor_at_the_address_is_told_nothing(written: Callable[[Address, str], Path]) -> None:
    told: list[bytes] = []

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(NUMBER + PROOF))
        told.append(await reader.read())
        writer.close()

    listener = await asyncio.start_server(impostor, HERE)
    port = listener.sockets[0].getsockname()[1]
    pool = Pool(written(Address(HERE, port, new_secret()), "old"), 1000)
    with pytest.raises(Unreachable, match="not its node"):
        await pool.send(request_bytes("POST", "/", [], b"secret"), 60)
    listener.close()
    while not told:
        await asyncio.sleep(0)
    assert [len(each) for each in told] == [NUMBER]


@in_a_loop
async def test_a_call_that_reaches_no_server_goes_to_another_instance(
    exposed: Exposed, written: Callable[[Address, str], Path], tmp_path: Path
) -> None:
    dead = written(Address(HERE, free_port(), new_secret()), "dead")
    mute = written(exposed.address, "mute")
    missing = tmp_path / "missing" / remote_socket.NAME
    other = Exposed(tmp_path / "other.sock", Address(HERE, 0, new_secret()))
    gateway = Gateway()
    async with server(tmp_path / "other.sock", echo):
        sockets = ((dead,), (mute,), (missing,), (written(other.address, "other"),))
        for _ in range(5):
            found = await gateway.invoke(Variant("v", 1.0, sockets), {}, b"body")
            assert found.reply.body == b"body"
    gateway.close()
    other.close()


@in_a_loop
async def test_a_lost_line_ends_at_both_ends(
    exposed: Exposed, written: Callable[[Address, str], Path], tmp_path: Path
) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await read_request(reader)
        assert await reader.read() == b""
        ended.set()
        writer.close()

    listener = await asyncio.start_unix_server(serve, tmp_path / "serve.sock")
    line = await remote_socket.dial(written(exposed.address, "known"))
    await asyncio.get_running_loop().sock_sendall(line, request_bytes("GET", "/", [], b""))
    line.close()
    await asyncio.wait_for(ended.wait(), 60)
    listener.close()


def test_a_seat_that_begins_anew_is_found_where_it_was(tmp_path: Path) -> None:
    # Not a port that an outgoing connection may have meanwhile.
    first = Exposed(tmp_path / "s", Address(HERE, free_port(), new_secret()))
    beside = Exposed(tmp_path / "s", first.address)
    assert beside.address == Address(HERE, beside.address.port, first.address.secret)
    assert beside.address != first.address
    first.close()
    again = Exposed(tmp_path / "s", first.address)
    assert again.address == first.address
    for each in (beside, again):
        each.close()
