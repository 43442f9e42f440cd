"""Bodies that mean harm: CBOR, XML and forms."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clary.wire.bodies import Room
from clary.wire.errors import AwsError, SerializationException
from clary.wire.messages import Head
from clary.wire.protocols import cbor_body, form, xml_body

VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**64), 2**64 - 1)
    | some.text()
    | some.binary()
    | some.floats(allow_nan=False),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)


@given(VALUES)
def test_cbor_reads_what_it_writes(value: Any) -> None:
    assert cbor_body.decode(cbor_body.encode(value)) == value


@given(some.binary())
def test_any_bytes_are_cbor_or_refused(body: bytes) -> None:
    with suppress(SerializationException):
        cbor_body.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x81" * 100_000,
        b"\x9f" * 100_000,
        b"\xc1" * 100_000,
        b"\xbb" + b"\xff" * 8,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\xff",
        b"\x81\xff",
        b"\x62\xff\xff",
        b"\xa1\x80\x01",
        b"\x01\x01",
    ],
)
def test_hostile_cbor_is_refused_at_once(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(SerializationException):
        cbor_body.decode(body)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<a/><b/>",
        b"\xff\xfe<\x00a\x00/\x00>\x00",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&undefined;</a>",
    ],
)
def test_hostile_xml_is_refused(body: bytes) -> None:
    with pytest.raises(SerializationException):
        xml_body.decode(body)


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    assert xml_body.text("a\r<&\x00b\ud800") == "a&#xD;&lt;&amp;\ufffdb\ufffd"


@pytest.mark.parametrize("body", [b"a." * 100 + b"=1", b"&".join([b"a=1"] * 100_001), b"\xff=1"])
def test_hostile_forms_are_refused(body: bytes) -> None:
    with pytest.raises(AwsError):
        form.fields(Head("POST", "/", "", []), body)


def test_large_bodies_wait_for_room_in_order_and_small_ones_do_not() -> None:
    def head(size: int) -> Head:
        return Head("POST", "/", "", [("content-length", str(size))])

    told: list[str] = []

    async def hold(room: Room, name: str, size: int, until: asyncio.Event) -> None:
        async with room.held(head(size), 10_000_000):
            told.append(name)
            await until.wait()

    async def run() -> None:
        room, first, later = Room(1_000_000), asyncio.Event(), asyncio.Event()
        later.set()
        tasks = [asyncio.ensure_future(hold(room, "a", 900_000, first))]
        for name, size in (("b", 800_000), ("small", 1000), ("c", 300_000)):
            tasks.append(asyncio.ensure_future(hold(room, name, size, later)))
            await asyncio.sleep(0)
        gone = asyncio.ensure_future(hold(room, "gone", 900_000, later))
        await asyncio.sleep(0)
        gone.cancel()
        assert told == ["a", "small"]
        first.set()
        await asyncio.gather(*tasks)
        await hold(room, "d", 1_000_000, later)

    asyncio.run(run())
    assert told == ["a", "small", "b", "c", "d"]
