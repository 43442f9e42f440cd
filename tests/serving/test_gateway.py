"""Which instance gets a call, and what happens when it cannot take it."""

import asyncio
import collections
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.serving.sockets import never, ok, says, server

from clary.serving.gateway import Gateway, NoInstance, Variant, choose, choose_named
from clary.serving.reply import Broken, TimedOut
from clary.serving.serial import Forwarded

CSV = {"content-type": "text/csv"}


def test_variants_are_chosen_by_weight() -> None:
    variants = [Variant("a", 3, ()), Variant("b", 1, ()), Variant("off", 0, ())]
    counts = collections.Counter(choose(variants).name for _ in range(4000))
    assert counts["off"] == 0
    assert 2800 < counts["a"] < 3200


def test_no_weight_at_all_chooses_nothing() -> None:
    with pytest.raises(NoInstance):
        choose([Variant("a", 0, ()), Variant("b", 0, ())])


def test_instance_that_is_down_is_passed_over(tmp_path: Path) -> None:
    async def run() -> set[bytes]:
        gateway = Gateway()
        variant = Variant("v", 1, ((tmp_path / "down",), (tmp_path / "up",)))
        async with server(tmp_path / "up", says(ok(b"up"))):
            bodies = {(await gateway.invoke(variant, CSV, b"1")).reply.body for _ in range(10)}
            gateway.close()
        return bodies

    assert asyncio.run(run()) == {b"up"}


def test_spare_instances_take_only_calls_that_reach_no_other(tmp_path: Path) -> None:
    async def run() -> tuple[set[bytes], bytes]:
        gateway = Gateway()
        variant = Variant("v", 1, ((tmp_path / "own",),), spare=((tmp_path / "spare",),))
        async with server(tmp_path / "spare", says(ok(b"spare"))):
            without = (await gateway.invoke(variant, CSV, b"1")).reply.body
            async with server(tmp_path / "own", says(ok(b"own"))):
                bodies = {(await gateway.invoke(variant, CSV, b"1")).reply.body for _ in range(10)}
                gateway.close()
        return bodies, without

    assert asyncio.run(run()) == ({b"own"}, b"spare")


def test_variants_of_one_name_are_chosen_by_share() -> None:
    variants = [Variant("a", 0, (), share=0.75), Variant("a", 0, (), share=0.25, config="new"), Variant("b", 1, ())]
    counts = collections.Counter(each.config for _ in range(4000) if (each := choose_named(variants, "a")))
    assert 800 < counts["new"] < 1200
    assert (choose_named(variants, "b"), choose_named(variants, "c")) == (variants[2], None)


def test_no_instance_at_all(tmp_path: Path) -> None:
    with pytest.raises(NoInstance):
        asyncio.run(Gateway().invoke(Variant("v", 1, ((tmp_path / "down",),)), CSV, b"1"))


def test_call_that_broke_is_not_repeated_elsewhere(tmp_path: Path) -> None:
    async def run() -> int:
        gateway = Gateway()
        async with AsyncExitStack() as stack:
            seen = [await stack.enter_async_context(server(tmp_path / name, says(b"HT", close=True))) for name in "ab"]
            with pytest.raises(Broken):
                await gateway.invoke(Variant("v", 1, ((tmp_path / "a",), (tmp_path / "b",))), CSV, b"1")
            return sum(map(len, seen))

    assert asyncio.run(run()) == 1


def test_slow_model_times_out_and_the_next_call_is_served(tmp_path: Path) -> None:
    async def run() -> bytes:
        gateway = Gateway(timeout=1.0)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(server(tmp_path / "slow", never))
            with pytest.raises(TimedOut):
                await gateway.invoke(Variant("v", 1, ((tmp_path / "slow",),)), CSV, b"1")
            await stack.enter_async_context(server(tmp_path / "good", says(ok(b"1"))))
            forwarded, seconds = await _in_time(gateway, Variant("v", 1, ((tmp_path / "good",),)))
            gateway.close()
        assert 0 < forwarded.model_seconds <= seconds
        return forwarded.reply.body

    assert asyncio.run(run()) == b"1"


async def _in_time(gateway: Gateway, variant: Variant) -> tuple[Forwarded, float]:
    """What was answered, and the seconds that this took. A machine that stalls may let any call time out."""
    while True:
        began = time.perf_counter()
        try:
            return await gateway.invoke(variant, CSV, b"1"), time.perf_counter() - began
        except TimedOut:
            continue


def test_calls_spread_over_the_least_busy(tmp_path: Path) -> None:
    async def run() -> list[int]:
        gateway = Gateway()
        sockets = tuple(tmp_path / name for name in "abcd")
        async with AsyncExitStack() as stack:
            seen = [await stack.enter_async_context(server(socket, never)) for socket in sockets]
            variant = Variant("v", 1, tuple((socket,) for socket in sockets))
            calls = [asyncio.ensure_future(gateway.invoke(variant, CSV, b"1")) for _ in range(8)]
            while sum(map(len, seen)) < len(calls):
                await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            gateway.close()
        return [len(requests) for requests in seen]

    assert asyncio.run(run()) == [2, 2, 2, 2]
